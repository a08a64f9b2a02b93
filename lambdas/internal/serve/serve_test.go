package serve

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// The process ends, so this test starts itself once more.
func TestWithoutAHandlerTheProcessSaysWhyAndEnds(t *testing.T) {
	if os.Getenv("SERVE_WITHOUT_A_HANDLER") != "" {
		With(func(aws.Config, *slog.Logger) (any, error) {
			return nil, errors.New("SLIPWAY_X is empty; give it a value")
		})
		return
	}
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run", t.Name())
	command.Env = append(os.Environ(), "SERVE_WITHOUT_A_HANDLER=yes", "AWS_REGION=eu-west-1")
	output, err := command.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(output), `"error":"SLIPWAY_X is empty; give it a value"`) {
		t.Errorf("%v\n%s", err, output)
	}
}
