package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

// invoke starts a Lambda's process, gives it one event, waits for its answer and returns its peak memory in MiB.
func invoke(ctx context.Context, binary string, environment []string, event string) (memory float64, err error) {
	type reply struct {
		failed bool
		body   []byte
	}
	replies := make(chan reply, 1)
	given := false
	runtimeAPI := http.NewServeMux()
	runtimeAPI.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		if given { // the function asks for its events one after the other
			<-r.Context().Done()
			return
		}
		given = true
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", "bench")
		if deadline, ok := ctx.Deadline(); ok {
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(deadline.UnixMilli(), 10))
		}
		fmt.Fprint(w, event)
	})
	for _, outcome := range []string{"response", "error"} {
		runtimeAPI.HandleFunc("POST /2018-06-01/runtime/invocation/bench/"+outcome, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.WriteHeader(http.StatusAccepted)
			replies <- reply{outcome == "error", body}
		})
	}
	command, output, end, err := underRuntime(ctx, binary, runtimeAPI)
	if err != nil {
		return 0, err
	}
	defer end()
	command.Env = append(command.Env, environment...)
	if err := command.Start(); err != nil {
		return 0, err
	}
	peak := watchMemory(command.Process.Pid)
	select {
	case r := <-replies:
		memory = peak()
		_ = command.Process.Kill()
		_ = command.Wait()
		if r.failed {
			return 0, fmt.Errorf("%s failed: %s", binary, r.body)
		}
		return memory, nil
	case <-ctx.Done():
		_ = command.Wait()
		return 0, fmt.Errorf("%s never answered: %s", binary, output.String())
	}
}

// underRuntime prepares a Lambda's process whose runtime API the handler answers; end closes that.
func underRuntime(ctx context.Context, binary string, handler http.Handler) (command *exec.Cmd, output *bytes.Buffer, end func(), err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, nil, err
	}
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: handler}
	go server.Serve(listener) //nolint:errcheck // ends with Close
	command, output = exec.CommandContext(ctx, binary), &bytes.Buffer{}
	command.Stdout, command.Stderr = output, output
	command.Env = []string{"AWS_LAMBDA_RUNTIME_API=" + listener.Addr().String(), "AWS_LAMBDA_FUNCTION_NAME=bench"}
	return command, output, func() { _ = server.Close() }, nil
}

// watchMemory looks at a process's peak memory until the answer is asked for, in MiB. What the system says of a process that has
// ended is no use: it counts what the bench itself had in memory when it started the process.
func watchMemory(pid int) (peak func() float64) {
	status := fmt.Sprintf("/proc/%d/status", pid)
	var most float64
	read := func() {
		content, _ := os.ReadFile(status) // gone with the process
		_, after, _ := bytes.Cut(content, []byte("VmHWM:"))
		if fields := bytes.Fields(after); len(fields) > 0 {
			if kib, err := strconv.ParseFloat(string(fields[0]), 64); err == nil {
				most = max(most, kib/1024)
			}
		}
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				read()
			case <-done:
				read()
				return
			}
		}
	})
	return func() float64 {
		close(done)
		wg.Wait()
		return most
	}
}
