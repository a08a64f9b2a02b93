package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/guardduty"
	gdtypes "github.com/aws/aws-sdk-go-v2/service/guardduty/types"

	"slipway/internal/contract"
	"slipway/lambdas/threatresponse/ledger"
)

// close does with the finding what the policy says, once nothing of it is open any more; an undoing brings it back. It is a
// courtesy: a member account, for one, may not archive findings. So a failure is a note.
func (e Engine) close(ctx context.Context, entry *ledger.Entry) {
	if entry.Finding.Detector == "" || entry.After != contract.AfterAnnotate && entry.After != contract.AfterArchive {
		return
	}
	var err error
	switch entry.State {
	case ledger.Active:
		if e.openSiblings(ctx, *entry) {
			return
		}
		if err = e.annotate(ctx, *entry, fmt.Sprintf("Slipway: %s %s, ledger entry %s", entry.Action, entry.Target.Label(), entry.ID)); err == nil && entry.After == contract.AfterArchive {
			_, err = e.Findings.ArchiveFindings(ctx, &guardduty.ArchiveFindingsInput{DetectorId: &entry.Finding.Detector, FindingIds: []string{entry.Finding.ID}})
		}
	case ledger.Undone:
		if entry.After == contract.AfterArchive {
			_, err = e.Findings.UnarchiveFindings(ctx, &guardduty.UnarchiveFindingsInput{DetectorId: &entry.Finding.Detector, FindingIds: []string{entry.Finding.ID}})
		}
	}
	if err != nil {
		e.Log.WarnContext(ctx, "the finding stays as it is", "finding", entry.Finding.ID, "error", err.Error())
		*entry = entry.WithNotes("the finding couldn't be " + map[contract.ResponseAfter]string{contract.AfterArchive: "archived", contract.AfterAnnotate: "annotated"}[entry.After] + ": " + err.Error())
	}
}

func (e Engine) annotate(ctx context.Context, entry ledger.Entry, comment string) error {
	_, err := e.Findings.UpdateFindingsFeedback(ctx, &guardduty.UpdateFindingsFeedbackInput{
		DetectorId: &entry.Finding.Detector, FindingIds: []string{entry.Finding.ID}, Feedback: gdtypes.FeedbackUseful, Comments: aws.String(comment),
	})
	return err
}

// openSiblings says whether another action for the same finding isn't settled or contained yet.
func (e Engine) openSiblings(ctx context.Context, entry ledger.Entry) bool {
	return slices.ContainsFunc(entry.Siblings, func(id string) bool {
		if id == entry.ID {
			return false
		}
		sibling, err := e.Store.Entry(ctx, id)
		if err != nil || sibling == nil {
			return true // its turn comes; it will look too
		}
		return sibling.State != ledger.Active && !sibling.Settled()
	})
}
