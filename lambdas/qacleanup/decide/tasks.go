package decide

// tasks stops the service's tasks by scaling it to zero. Its target groups must outlive the tasks, from which ECS
// deregisters them, so a run waits no longer than it has to: it leaves the rest to the next run as long as tasks are
// stopping. That ends with the grace period, for autoscaling may start new tasks again and again.
func tasks(d *decision, m member, t *Target) {
	if m.Status != "ACTIVE" || m.Daemon || m.Desired+m.Running+m.Starting == 0 {
		return
	}
	t.Steps = append(t.Steps, Step{Kind: KindTasks, ID: m.ARN, Wait: d.Now.Sub(m.lease.Ends) < d.Grace})
}
