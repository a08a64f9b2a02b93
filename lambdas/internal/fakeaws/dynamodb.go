package fakeaws

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// DynamoDB is one table with the key id, and an index by state and due. Of expressions it knows those that the Lambdas write.
type DynamoDB struct {
	cloud *Cloud

	Table, Index string
	Items        map[string]map[string]ddbtypes.AttributeValue
	Page         int // items in a page of a query
	// Lost makes that many writes take effect while their answer is lost, so that the SDK tries again.
	Lost int
}

// NewDynamoDB adds a table to the cloud.
func NewDynamoDB(c *Cloud, table, index string) *DynamoDB {
	d := &DynamoDB{cloud: c, Table: table, Index: index, Items: map[string]map[string]ddbtypes.AttributeValue{}, Page: 50}
	On(c, "DynamoDB", d.get)
	On(c, "DynamoDB", d.put)
	On(c, "DynamoDB", d.query)
	return d
}

func (d *DynamoDB) check(table *string) error {
	if aws.ToString(table) != d.Table {
		return d.cloud.refuse(&ddbtypes.ResourceNotFoundException{Message: table})
	}
	return nil
}

// Text is an item's attribute as text; empty if there is none.
func (d *DynamoDB) Text(id, attribute string) string {
	switch v := d.Items[id][attribute].(type) {
	case *ddbtypes.AttributeValueMemberS:
		return v.Value
	case *ddbtypes.AttributeValueMemberN:
		return v.Value
	}
	return ""
}

func (d *DynamoDB) get(in *dynamodb.GetItemInput) (*dynamodb.GetItemOutput, error) {
	if err := d.check(in.TableName); err != nil {
		return nil, err
	}
	id, ok := in.Key["id"].(*ddbtypes.AttributeValueMemberS)
	if !ok || len(in.Key) != 1 || id.Value == "" {
		return nil, d.cloud.refuse(Invalid("The provided key element does not match the schema"))
	}
	return &dynamodb.GetItemOutput{Item: maps.Clone(d.Items[id.Value])}, nil
}

func (d *DynamoDB) put(in *dynamodb.PutItemInput) (*dynamodb.PutItemOutput, error) {
	if err := d.check(in.TableName); err != nil {
		return nil, err
	}
	id, ok := in.Item["id"].(*ddbtypes.AttributeValueMemberS)
	if !ok || id.Value == "" || len(id.Value) > 2048 {
		return nil, d.cloud.refuse(Invalid("the item has no key"))
	}
	size := 0
	for name, value := range in.Item {
		size += len(name)
		switch v := value.(type) {
		case *ddbtypes.AttributeValueMemberS:
			size += len(v.Value)
			// An attribute that is a key of an index must not be empty.
			if v.Value == "" && name == "state" {
				return nil, d.cloud.refuse(Invalid("the index's key %s is empty", name))
			}
		case *ddbtypes.AttributeValueMemberN:
			if _, err := strconv.ParseFloat(v.Value, 64); err != nil {
				return nil, d.cloud.refuse(Invalid("%q is no number", v.Value))
			}
		}
	}
	if size > 400<<10 {
		return nil, d.cloud.refuse(Invalid("Item size has exceeded the maximum allowed size"))
	}
	old, exists := d.Items[id.Value]
	ok = true
	switch aws.ToString(in.ConditionExpression) {
	case "":
	case "attribute_not_exists(id)":
		ok = !exists
	case "version = :version":
		want, given := in.ExpressionAttributeValues[":version"].(*ddbtypes.AttributeValueMemberN)
		have, _ := old["version"].(*ddbtypes.AttributeValueMemberN)
		if !given {
			return nil, d.cloud.refuse(Invalid("An expression attribute value used in expression is not defined"))
		}
		ok = have != nil && have.Value == want.Value
	default:
		return nil, d.cloud.refuse(Invalid("the fake doesn't know the condition %s", *in.ConditionExpression))
	}
	if !ok {
		return nil, &ddbtypes.ConditionalCheckFailedException{Message: aws.String("The conditional request failed")}
	}
	d.Items[id.Value] = maps.Clone(in.Item)
	if d.Lost > 0 {
		d.Lost--
		return nil, Internal()
	}
	return &dynamodb.PutItemOutput{}, nil
}

func (d *DynamoDB) query(in *dynamodb.QueryInput) (*dynamodb.QueryOutput, error) {
	if err := d.check(in.TableName); err != nil {
		return nil, err
	}
	state, ok1 := in.ExpressionAttributeValues[":state"].(*ddbtypes.AttributeValueMemberS)
	due, ok2 := in.ExpressionAttributeValues[":due"].(*ddbtypes.AttributeValueMemberN)
	switch {
	case aws.ToString(in.IndexName) != d.Index:
		return nil, d.cloud.refuse(Invalid("The table does not have the specified index"))
	case aws.ToBool(in.ConsistentRead):
		return nil, d.cloud.refuse(Invalid("Consistent reads are not supported on global secondary indexes"))
	case !ok1 || !ok2 || aws.ToString(in.KeyConditionExpression) != "#state = :state AND #due <= :due" ||
		in.ExpressionAttributeNames["#state"] != "state" || in.ExpressionAttributeNames["#due"] != "due":
		return nil, d.cloud.refuse(errors.New("the fake doesn't know this query"))
	}
	until, err := strconv.ParseInt(due.Value, 10, 64)
	if err != nil {
		return nil, d.cloud.refuse(err)
	}
	dueOf := func(id string) int64 {
		n, _ := strconv.ParseInt(d.Text(id, "due"), 10, 64)
		return n
	}
	var ids []string
	for id := range d.Items {
		if d.Text(id, "state") == state.Value && d.Text(id, "due") != "" && dueOf(id) <= until {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return cmp.Or(cmp.Compare(dueOf(a), dueOf(b)), cmp.Compare(a, b)) })
	var token *string
	if last, ok := in.ExclusiveStartKey["id"].(*ddbtypes.AttributeValueMemberS); ok {
		token = &last.Value
	}
	start := 0
	if token != nil {
		start = slices.Index(ids, *token) + 1
	}
	end := min(start+d.Page, len(ids))
	out := &dynamodb.QueryOutput{}
	for _, id := range ids[start:end] {
		out.Items = append(out.Items, maps.Clone(d.Items[id]))
	}
	if end < len(ids) {
		out.LastEvaluatedKey = map[string]ddbtypes.AttributeValue{"id": &ddbtypes.AttributeValueMemberS{Value: ids[end-1]}}
	}
	return out, nil
}
