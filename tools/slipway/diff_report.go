package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"slipway/tools/slipway/command"
	"slipway/tools/slipway/diffreport"
)

func runDiffReport(_ context.Context, args []string, _, log io.Writer) int {
	err := diffreport.Run(args, log)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return command.OK
	case err != nil:
		fmt.Fprintf(log, "diff-report: %v\n", err)
		return command.Failed
	}
	return command.OK
}
