package qalease

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/internal/contract"
)

// Settings are what the list needs besides the facts.
type Settings struct {
	Platform string      `json:"platform"`
	Domain   string      `json:"domain"`
	Hours    OfficeHours `json:"hours,omitzero"`
	Rate     Rate        `json:"rate"`
}

// Stack is a CloudFormation stack of an environment.
type Stack struct {
	Name      string
	Status    string
	CreatedAt time.Time
}

// Facts are what AWS said. Without Stacks the list shows no environment that has no service, and no state of a stack.
type Facts struct {
	Services   []Service
	Unreadable []Unreadable
	Stacks     []Stack
}

// State is what an environment is doing.
type State string

// The states.
const (
	Running  State = "running"
	Starting State = "starting"   // too few of its tasks run
	Sleeping State = "sleeping"   // scaled to zero
	Ended    State = "ended"      // its lease is over; the cleanup deletes it
	Updating State = "updating"   // CloudFormation is creating or changing it
	Deleting State = "deleting"   // CloudFormation or ECS is deleting it
	Broken   State = "failed"     // its stack failed
	NoLease  State = "no lease"   // nothing will delete it
	Unknown  State = "unreadable" // AWS couldn't describe it
)

// Row is one environment.
type Row struct {
	Slug    string
	Branch  string
	Owner   string
	URL     string // empty where it has no address of Slipway's
	State   State
	Note    string    // what a person should know about the state
	Created time.Time // zero: unknown
	Ends    time.Time // zero: it has no readable lease
	Cost    float64   // USD so far, at most
	ADay    float64   // USD a day, at most
}

// Age is how old it is.
func (r Row) Age(now time.Time) time.Duration {
	if r.Created.IsZero() {
		return 0
	}
	return now.Sub(r.Created)
}

// EndsIn is how long its lease runs, below zero once it is over; ok is false without a lease.
func (r Row) EndsIn(now time.Time) (left time.Duration, ok bool) {
	return r.Ends.Sub(now), !r.Ends.IsZero()
}

// Rows makes the list: what ends first comes first, what has no end last.
func Rows(s Settings, f Facts, now time.Time) []Row {
	stacks := map[string]Stack{}
	for _, stack := range f.Stacks {
		if slug, ours := contract.SlugFromStack(s.Platform, stack.Name); ours && stack.Status != "DELETE_COMPLETE" {
			stacks[slug] = stack
		}
	}
	var rows []Row
	for _, service := range f.Services {
		if service.Status == "INACTIVE" {
			continue
		}
		r := s.row(service, now)
		if name, made := service.Tags[TagStackName]; made {
			if slug, ours := contract.SlugFromStack(s.Platform, name); ours {
				if stack, exists := stacks[slug]; exists {
					r.under(stack)
					delete(stacks, slug)
				}
			}
		}
		rows = append(rows, r)
	}
	for _, u := range f.Unreadable {
		rows = append(rows, Row{Slug: u.ARN[strings.LastIndexByte(u.ARN, '/')+1:], State: Unknown, Note: u.Reason})
	}
	for slug, stack := range stacks { // those without a service
		r := Row{Slug: slug, URL: s.url(slug), State: NoLease, Note: "its stack is " + stack.Status + " and has no service", Created: stack.CreatedAt}
		r.under(stack)
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b Row) int {
		if a.Ends.IsZero() != b.Ends.IsZero() {
			if a.Ends.IsZero() {
				return 1
			}
			return -1
		}
		return cmp.Or(a.Ends.Compare(b.Ends), cmp.Compare(a.Slug, b.Slug))
	})
	return rows
}

func (s Settings) url(slug string) string {
	if !contract.IsSlug(slug) {
		return "" // someone made it by hand, and nothing says where it answers
	}
	return "https://" + contract.HostName(slug, s.Domain)
}

func (s Settings) row(service Service, now time.Time) Row {
	lease, err := Read(service)
	r := Row{
		Slug: cmp.Or(lease.Environment, service.Name), Branch: lease.Branch, Owner: lease.Owner, Created: service.CreatedAt, Ends: lease.Ends,
		Cost: s.Rate.Between(s.Hours, service.CreatedAt, now), ADay: s.Rate.ADay(s.Hours),
	}
	if service.CreatedAt.IsZero() {
		r.Cost = 0
	}
	r.URL = s.url(r.Slug)
	switch {
	case service.Status == "DRAINING":
		r.State = Deleting
	case err != nil:
		r.State, r.Note, r.Ends = NoLease, err.Error(), time.Time{}
	case lease.Expired(now):
		r.State, r.Note = Ended, lease.Why
	case service.Desired == 0 && !service.Daemon:
		r.State = Sleeping
	case service.Running < service.Desired:
		r.State = Starting
		r.Note = fmt.Sprintf("%d of %d tasks run", service.Running, service.Desired)
	default:
		r.State = Running
	}
	return r
}

// under puts the state of an environment's stack above that of its service, where it says more.
func (r *Row) under(stack Stack) {
	status := stack.Status
	switch {
	case strings.HasPrefix(status, "DELETE_") && strings.HasSuffix(status, "_IN_PROGRESS"):
		r.State, r.Note = Deleting, ""
	case strings.Contains(status, "ROLLBACK") && !strings.HasPrefix(status, "UPDATE_"), strings.HasSuffix(status, "_FAILED"):
		r.State, r.Note = Broken, "its stack is "+status
	case strings.HasSuffix(status, "_IN_PROGRESS"):
		r.State, r.Note = Updating, "its stack is "+status
	}
}

// Short writes a duration as people say it, with two units at most: 3d 4h, 4h 5m, 5m, 0m.
func Short(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	days, rest := d/(24*time.Hour), d%(24*time.Hour)
	hours, minutes := rest/time.Hour, rest%time.Hour/time.Minute
	switch {
	case days > 0:
		return fmt.Sprintf("%s%dd %dh", sign, days, hours)
	case hours > 0:
		return fmt.Sprintf("%s%dh %dm", sign, hours, minutes)
	}
	return fmt.Sprintf("%s%dm", sign, minutes)
}
