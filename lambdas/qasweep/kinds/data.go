package kinds

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"slipway/internal/contract"
	"slipway/lambdas/qasweep/decide"
)

// Data sweeps the environments' databases and roles, by the function that makes them: it alone reaches the database, and checks
// once more that what it drops is the environment's.
type Data struct {
	Function string // name or ARN
	Client   interface {
		Invoke(context.Context, *lambda.InvokeInput, ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
	}
}

// Kinds are the kinds it sweeps.
func (Data) Kinds() []decide.Kind { return []decide.Kind{decide.Data} }

// List asks for the environments that have a database.
func (d Data) List(ctx context.Context) (pieces []decide.Piece, err error) {
	answer, err := d.ask(ctx, contract.DataRequest{Sweep: contract.SweepList})
	if err != nil {
		return nil, fmt.Errorf("list the databases of QA environments: %w", err)
	}
	for _, slug := range answer.Environments {
		if contract.IsSlug(slug) {
			pieces = append(pieces, decide.Piece{Kind: decide.Data, ID: slug, Environment: slug})
		}
	}
	return pieces, nil
}

// Delete has the databases dropped.
func (d Data) Delete(ctx context.Context, pieces []decide.Piece) error {
	var failed []error
	for _, p := range pieces {
		if _, err := d.ask(ctx, contract.DataRequest{Sweep: contract.SweepDrop, Environment: p.ID}); err != nil {
			failed = append(failed, fmt.Errorf("drop the database of %s: %w", p.ID, err))
		}
	}
	return errors.Join(failed...)
}

func (d Data) ask(ctx context.Context, request contract.DataRequest) (answer contract.DataAnswer, err error) {
	payload, err := json.Marshal(request)
	if err != nil {
		return answer, err
	}
	out, err := d.Client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &d.Function, Payload: payload})
	if err != nil {
		return answer, err
	}
	if out.FunctionError != nil { // with HTTP 200
		return answer, fmt.Errorf("the function %s failed: %s", d.Function, out.Payload)
	}
	if err := json.Unmarshal(out.Payload, &answer); err != nil {
		return answer, fmt.Errorf("read the answer of %s: %w", d.Function, err)
	}
	return answer, nil
}
