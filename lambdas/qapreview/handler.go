package main

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"slipway/lambdas/internal/logging"
	"slipway/lambdas/qapreview/gather"
	"slipway/lambdas/qapreview/page"
)

// margin is left for the answer when AWS is slow.
const margin = 2 * time.Second

// handler answers the load balancer.
type handler struct {
	reader   *gather.Reader
	platform string
	now      func() time.Time
	log      *slog.Logger
}

// handle answers one request. The error is always nil: the load balancer would make a bare 502 of one.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
func (h handler) handle(ctx context.Context, request events.ALBTargetGroupRequest) (events.ALBTargetGroupResponse, error) {
	switch {
	case request.HTTPMethod != http.MethodGet && request.HTTPMethod != http.MethodHead:
		refusal := answer(http.StatusMethodNotAllowed, "text/plain; charset=utf-8", "This page can only be read.\n")
		refusal.Headers["Allow"] = "GET, HEAD"
		return refusal, nil
	case request.Path != "/":
		return answer(http.StatusNotFound, "text/plain; charset=utf-8", "There is nothing at this address. The list of QA environments is at /.\n"), nil
	}
	log := logging.ForInvocation(ctx, h.log)
	asking := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		asking, cancel = context.WithDeadline(ctx, deadline.Add(-margin))
		defer cancel()
	}
	list, err := h.reader.List(asking)
	view := page.View{Platform: h.platform, Rows: list.Rows, Read: list.Read, Now: h.now()}
	if err != nil {
		log.ErrorContext(ctx, "the environments can't be read", "error", err.Error())
		if list.Read.IsZero() {
			return answer(http.StatusServiceUnavailable, "text/plain; charset=utf-8", "The QA environments can't be read just now. Try again in a minute.\n"), nil
		}
		view.Stale = "AWS can't be asked just now; this is an older list."
	}
	text, err := page.HTML(view)
	if err != nil {
		log.ErrorContext(ctx, "the page can't be written", "error", err.Error())
		return answer(http.StatusInternalServerError, "text/plain; charset=utf-8", "The list can't be written; the function's log says why.\n"), nil
	}
	response := answer(http.StatusOK, "text/html; charset=utf-8", text)
	response.Headers["Content-Security-Policy"] = page.Policy()
	if request.HTTPMethod == http.MethodHead {
		response.Body = ""
	}
	return response, nil
}

func answer(status int, kind, body string) events.ALBTargetGroupResponse {
	return events.ALBTargetGroupResponse{
		StatusCode: status, StatusDescription: strconv.Itoa(status) + " " + http.StatusText(status), Body: body,
		Headers: map[string]string{
			"Content-Type": kind, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"X-Robots-Tag": "noindex", "Strict-Transport-Security": "max-age=31536000",
		},
	}
}
