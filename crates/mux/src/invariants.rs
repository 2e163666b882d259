//! What must hold between the fields of a [`Mux`] after every step.

use std::collections::HashSet;

use crate::mux::Mux;

pub(crate) fn check(mux: &Mux) {
    let parts = mux.parts();
    let mut queued = 0_usize;
    let mut grown = 0_usize;
    let scheduled: Vec<_> = parts.schedule.iter().collect();
    let distinct: HashSet<_> = scheduled.iter().copied().collect();
    assert_eq!(scheduled.len(), distinct.len(), "a stream has one turn to come");
    for (id, receive, send, credit_due) in &parts.halves {
        receive.check_invariants(parts.config);
        send.check_invariants(parts.config);
        queued = queued.saturating_add(send.queued());
        grown = grown.saturating_add(receive.grown());
        assert_eq!(send.scheduled, distinct.contains(id), "stream {id} knows its turn");
        assert_eq!(*credit_due, parts.credit_due.contains(id), "stream {id} knows its credit");
    }
    assert_eq!(queued, parts.queued, "bytes of all streams are counted");
    assert_eq!(
        grown.saturating_add(parts.growth_left),
        parts.config.growth_budget,
        "the growth budget is neither lost nor made"
    );
}
