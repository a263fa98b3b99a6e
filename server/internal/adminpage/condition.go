package adminpage

// condition is how the intake does, in words. The page says it in several places,
// which must agree.
type condition struct {
	// Short is a word or two, Long goes on behind the intake's name and a colon.
	Short, Long string
	Severity    severity
}

// conditionOf returns the worst that is known of the intake.
func conditionOf(in Intake) condition {
	switch {
	case in.State == IntakeProbed:
		return condition{"down", "down, tried from time to time", failing}
	case in.State == IntakeSpared:
		return condition{"left alone", "left alone, as it has asked", failing}
	case in.FailedInRow >= failedInRow:
		return condition{"failing", "failing, and still sent batches as they come", failing}
	case in.RefusedInRow >= failedInRow:
		return condition{"refusing", "refusing what it gets, and still sent batches as they come", failing}
	case in.FailedInRow+in.RefusedInRow > 0:
		return condition{"hiccup", "sent batches as they come", strained}
	case answered(in):
		return condition{"taking", "taking batches", ""}
	case in.Posting > 0 || len(in.Attempts) > 0:
		return condition{"no answer yet", "tried, and no answer yet", ""}
	}
	return condition{"not tried yet", "not tried yet", ""}
}

// answered tells whether any attempt has shown how the intake does: those that the
// server has given up by itself don't.
func answered(in Intake) bool {
	for _, o := range in.Attempts {
		if o.Class != classCancelled {
			return true
		}
	}
	return false
}
