package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"slipway/tools/slipway/diffreport"
)

func runDiffReport(_ context.Context, args []string, _, log io.Writer) int {
	err := diffreport.Run(args, log)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(log, "diff-report: %v\n", err)
		return exitFailed
	}
	return exitOK
}
