package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"slipway/internal/contract"
)

// Table are the calls of DynamoDB that the ledger makes.
type Table interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
}

// Store keeps the ledger in a table. The whole entry is JSON in one attribute; what the index, the expiry and people in the
// console need is beside it.
type Store struct {
	Client Table
	Table  string
	Keep   time.Duration // of what is settled or was only observed
	Now    func() time.Time
}

// ErrChanged is a write that came too late: someone else changed the entry.
var ErrChanged = errors.New("someone else changed it at the same time")

const (
	attributeVersion = "version"
	attributeBody    = "body"
)

// Entry reads an entry; nil if there is none.
func (s Store) Entry(ctx context.Context, id string) (*Entry, error) {
	return read[Entry](ctx, s, id)
}

// Case reads the record of a finding; nil if there is none.
func (s Store) Case(ctx context.Context, id string) (*Case, error) {
	return read[Case](ctx, s, id)
}

func read[T any](ctx context.Context, s Store, id string) (*T, error) {
	out, err := s.Client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &s.Table, Key: map[string]types.AttributeValue{contract.LedgerID: text(id)}, ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, fmt.Errorf("read %s of the ledger %s: %w", id, s.Table, err)
	}
	if len(out.Item) == 0 {
		return nil, nil
	}
	var value T
	if err := decode(out.Item, &value); err != nil {
		return nil, fmt.Errorf("read %s of the ledger %s: %w", id, s.Table, err)
	}
	return &value, nil
}

func decode(item map[string]types.AttributeValue, into any) error {
	body, ok := item[attributeBody].(*types.AttributeValueMemberS)
	if !ok {
		return errors.New("it has no body")
	}
	return json.Unmarshal([]byte(body.Value), into)
}

// Put writes an entry if nobody has changed it since it was read, and returns it with its new version. ErrChanged says that
// somebody has.
func (s Store) Put(ctx context.Context, e Entry) (Entry, error) {
	old := e.Version
	e.Version++
	columns := map[string]string{"action": e.Action, "target": e.Target.Label(), "stage": e.Stage, "finding": e.Finding.Type, "by": e.By}
	due, passing := e.Due, e.Settled() || e.State == Observed
	if passing {
		due = s.Now() // for the order of the list
	}
	if err := s.put(ctx, e.ID, e.State, old, e, columns, due, passing); err != nil {
		return Entry{}, err
	}
	return e, nil
}

// PutCase writes the record of a finding on the same condition.
func (s Store) PutCase(ctx context.Context, c Case) (Case, error) {
	old := c.Version
	c.Version++
	columns := map[string]string{"stage": c.Stage, "finding": c.Finding.Type}
	if err := s.put(ctx, c.ID, Told, old, c, columns, c.Last, true); err != nil {
		return Case{}, err
	}
	return c, nil
}

// farAway is the due time of what has none, so that the index shows it all the same: an index leaves out what has no key.
var farAway = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

func (s Store) put(ctx context.Context, id string, state State, old int, value any, columns map[string]string, due time.Time, passing bool) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write %s into the ledger: %w", id, err)
	}
	if due.IsZero() {
		due = farAway
	}
	item := map[string]types.AttributeValue{
		contract.LedgerID: text(id), contract.LedgerState: text(string(state)), contract.LedgerDue: number(due.Unix()),
		attributeVersion: number(int64(old + 1)), attributeBody: text(string(body)),
	}
	for name, value := range columns {
		if value != "" {
			item[name] = text(value)
		}
	}
	if passing {
		item[contract.LedgerPurge] = number(s.Now().Add(s.Keep).Unix())
	}
	in := &dynamodb.PutItemInput{TableName: &s.Table, Item: item, ConditionExpression: aws.String("attribute_not_exists(id)")}
	if old > 0 {
		in.ConditionExpression = aws.String("version = :version")
		in.ExpressionAttributeValues = map[string]types.AttributeValue{":version": number(int64(old))}
	}
	_, err = s.Client.PutItem(ctx, in)
	var changed *types.ConditionalCheckFailedException
	if errors.As(err, &changed) {
		return ErrChanged
	}
	if err != nil {
		return fmt.Errorf("write %s into the ledger %s: %w", id, s.Table, err)
	}
	return nil
}

// Due are the entries of a state whose time has come, the oldest first.
func (s Store) Due(ctx context.Context, state State, now time.Time) ([]Entry, error) {
	return query[Entry](ctx, s, state, now)
}

// In are all entries of a state, the ones that are due first come first.
func (s Store) In(ctx context.Context, state State) ([]Entry, error) {
	return query[Entry](ctx, s, state, farAway)
}

// Cases are the records of findings, the oldest first.
func (s Store) Cases(ctx context.Context) ([]Case, error) {
	return query[Case](ctx, s, Told, farAway)
}

func query[T any](ctx context.Context, s Store, state State, until time.Time) ([]T, error) {
	var found []T
	in := &dynamodb.QueryInput{
		TableName: &s.Table, IndexName: aws.String(contract.LedgerIndex),
		KeyConditionExpression:    aws.String("#state = :state AND #due <= :due"),
		ExpressionAttributeNames:  map[string]string{"#state": contract.LedgerState, "#due": contract.LedgerDue},
		ExpressionAttributeValues: map[string]types.AttributeValue{":state": text(string(state)), ":due": number(until.Unix())},
	}
	for {
		out, err := s.Client.Query(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("list what is %s in the ledger %s: %w", state, s.Table, err)
		}
		for _, item := range out.Items {
			var value T
			if err := decode(item, &value); err != nil {
				return nil, fmt.Errorf("list what is %s in the ledger %s: %w", state, s.Table, err)
			}
			found = append(found, value)
		}
		if len(out.LastEvaluatedKey) == 0 {
			return found, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}
