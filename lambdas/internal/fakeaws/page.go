package fakeaws

import (
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// page cuts one page out of items. The token is the offset.
func page[T any](c *Cloud, items []T, token *string, size int) ([]T, *string, error) {
	start := 0
	if token != nil {
		var err error
		if start, err = strconv.Atoi(*token); err != nil || start < 0 || start > len(items) {
			return nil, nil, c.refuse(fmt.Errorf("token %q", *token))
		}
	}
	end := min(start+size, len(items))
	if end == len(items) {
		return items[start:end], nil, nil
	}
	return items[start:end], aws.String(strconv.Itoa(end)), nil
}
