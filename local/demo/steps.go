package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// steps runs named pieces of work one after the other, shows that long ones are alive, and keeps what each one printed in a
// log file of its own.
type steps struct {
	out      io.Writer
	logs     string
	total    int
	finished []finishedStep
	terminal bool
}

type finishedStep struct {
	name string
	took time.Duration
	note string
}

func newSteps(out *os.File, logs string, total int) (*steps, error) {
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder for the logs: %w", err)
	}
	info, err := out.Stat()
	return &steps{out: out, logs: logs, total: total, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}, nil
}

// run does one step. Its work writes to a log file; its note, if any, is shown beside the seconds.
func (s *steps) run(ctx context.Context, name string, work func(ctx context.Context, log io.Writer) (note string, err error)) error {
	number := len(s.finished) + 1
	path := filepath.Join(s.logs, fmt.Sprintf("%02d-%s.log", number, slug(name)))
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer file.Close()

	heading := fmt.Sprintf("[%2d/%d] %s", number, s.total, name)
	fmt.Fprint(s.out, heading)
	if !s.terminal {
		fmt.Fprintln(s.out)
	}
	log := &lastLine{file: file}
	started := time.Now()
	stop := s.showProgress(heading, started, log)
	note, err := work(ctx, log)
	stop()
	took := time.Since(started)
	if err != nil {
		fmt.Fprintf(s.out, "%s failed after %s.\n", s.lineStart(heading), seconds(took))
		return fmt.Errorf("%s: %w\n\nThe whole log: %s", name, err, path)
	}
	fmt.Fprintf(s.out, "%s  %s%s\n", s.lineStart(heading), seconds(took), prefixed("  ", note))
	s.finished = append(s.finished, finishedStep{name: name, took: took, note: note})
	return nil
}

// lineStart begins the closing line of a step: over the progress on a terminal, indented elsewhere.
func (s *steps) lineStart(heading string) string {
	if s.terminal {
		return "\r\033[K" + heading
	}
	return "       "
}

// showProgress tells every second on a terminal, every fifteen elsewhere, that the step goes on. The returned function ends it.
func (s *steps) showProgress(heading string, started time.Time, log *lastLine) func() {
	every := 15 * time.Second
	if s.terminal {
		every = time.Second
	}
	done := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		ticks := time.NewTicker(every)
		defer ticks.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticks.C:
			}
			took := seconds(time.Since(started))
			if s.terminal {
				fmt.Fprintf(s.out, "\r\033[K%s  %s  %s", heading, took, shorten(log.last(), 60))
			} else {
				fmt.Fprintf(s.out, "        … %s  %s\n", took, shorten(log.last(), 90))
			}
		}
	})
	return func() { close(done); ended.Wait() }
}

// summary is the table of the steps.
func (s *steps) summary(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "STEP\tSECONDS\t")
	var all time.Duration
	for _, step := range s.finished {
		fmt.Fprintf(table, "%s\t%.1f\t%s\n", step.name, step.took.Seconds(), step.note)
		all += step.took
	}
	fmt.Fprintf(table, "All steps\t%.1f\t\n", all.Seconds())
	table.Flush()
}

// save keeps the seconds of each step for `make bench`.
func (s *steps) save() error {
	type step struct {
		Name    string
		Seconds float64
	}
	last := struct {
		At    time.Time
		Steps []step
	}{At: time.Now()}
	for _, done := range s.finished {
		last.Steps = append(last.Steps, step{done.name, done.took.Seconds()})
	}
	raw, err := json.MarshalIndent(last, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.logs, "steps.json"), raw, 0o644)
}

// lastLine passes a log on to its file and remembers the last line, to show beside the progress.
type lastLine struct {
	file io.Writer
	mu   sync.Mutex
	line string
}

func (l *lastLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	for _, line := range bytes.Split(p, []byte("\n")) {
		if text := strings.TrimSpace(string(line)); text != "" {
			l.line = text
		}
	}
	l.mu.Unlock()
	return l.file.Write(p)
}

func (l *lastLine) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.line
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

func shorten(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most-1]) + "…"
}

func slug(name string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + ('a' - 'A')
		}
		return '-'
	}, name), "-")
}
