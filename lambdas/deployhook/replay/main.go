// Command replay runs the deployment hook's checks on a recorded event, from any machine that reaches the listener, and
// prints the report. It calls no AWS API and answers nobody.
//
//	go run ./lambdas/deployhook/replay -event event.json -config config.json [-url http://127.0.0.1:8080]
package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"slipway/lambdas/deployhook/decide"
	"slipway/lambdas/deployhook/probe"
	"slipway/lambdas/deployhook/report"
	"slipway/lambdas/deployhook/verify"
)

// Exit codes.
const (
	passed = 0
	failed = 1
	usage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// options are what the command line says.
type options struct {
	event, config, url, host, ca string
	json                         bool
}

func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	var o options
	flags := flag.NewFlagSet("replay", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.event, "event", "", "`file` with the recorded event of CodeDeploy or ECS")
	flags.StringVar(&o.config, "config", "", "`file` with the hook's configuration; default: the variable SLIPWAY_DEPLOY_HOOK")
	flags.StringVar(&o.url, "url", "", "test listener to ask instead of the configuration's")
	flags.StringVar(&o.host, "host", "", "host name instead of the configuration's")
	flags.StringVar(&o.ca, "ca", "", "`file` with certificate authorities to trust instead of the system's, as PEM")
	flags.BoolVar(&o.json, "json", false, "print the report as JSON")
	if err := flags.Parse(args); err != nil {
		return usage
	}
	r, err := replay(ctx, o, getenv)
	if err != nil {
		fmt.Fprintln(stderr, "replay:", err)
		return usage
	}
	if o.json {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(r); err != nil {
			fmt.Fprintln(stderr, "replay:", err)
			return usage
		}
	} else {
		fmt.Fprintf(stdout, "Deployment %s, asked by %s. Nobody is answered.\n%s", r.Event.Deployment, r.Event.Source, report.Text(r))
	}
	if !r.Passed {
		return failed
	}
	return passed
}

func replay(ctx context.Context, o options, getenv func(string) string) (report.Report, error) {
	if o.event == "" {
		return report.Report{}, errors.New("no event; give -event=<file>")
	}
	raw, err := os.ReadFile(o.event)
	if err != nil {
		return report.Report{}, fmt.Errorf("read the event: %w", err)
	}
	event, err := decide.ParseEvent(raw)
	if err != nil {
		return report.Report{}, fmt.Errorf("read the event %s: %w", o.event, err)
	}
	config, err := configuration(o, getenv)
	if err != nil {
		return report.Report{}, err
	}
	var roots *x509.CertPool
	if o.ca != "" {
		pem, err := os.ReadFile(o.ca)
		if err != nil {
			return report.Report{}, fmt.Errorf("read the authorities: %w", err)
		}
		if roots = x509.NewCertPool(); !roots.AppendCertsFromPEM(pem) {
			return report.Report{}, fmt.Errorf("read the authorities: %s holds no certificate in PEM", o.ca)
		}
	}
	rec := report.NewRecorder(event, time.Now())
	switch err := decide.CheckStage(event); {
	case event.RollingBack:
		rec.Skip("this is a rollback, and nothing may hold it up")
	case err != nil:
		rec.Fail(err.Error())
	default:
		prober := probe.New(config.Host, config.Timeout(), roots)
		defer prober.Close()
		verify.Run(ctx, config, prober, rec)
	}
	return rec.Finish(time.Now()), nil
}

// configuration reads the configuration, with the command line's address and host in place of its own.
func configuration(o options, getenv func(string) string) (decide.Config, error) {
	text := getenv("SLIPWAY_DEPLOY_HOOK")
	if o.config != "" {
		body, err := os.ReadFile(o.config)
		if err != nil {
			return decide.Config{}, fmt.Errorf("read the configuration: %w", err)
		}
		text = string(body)
	}
	if text == "" {
		return decide.Config{}, errors.New("no configuration; give -config=<file> or set SLIPWAY_DEPLOY_HOOK")
	}
	c, err := decide.ParseConfig(text)
	if err != nil {
		return decide.Config{}, err
	}
	if o.url != "" {
		c.URL = o.url
		if c.ErrorRate != nil {
			c.ErrorRate.ProductionURL = "" // blue is somewhere else
		}
	}
	if o.host != "" {
		c.Host = o.host
	}
	// What the command line says must be as right as what the file says. The defaults stay as they are.
	again, err := json.Marshal(c)
	if err != nil {
		return decide.Config{}, err
	}
	return decide.ParseConfig(string(again))
}
