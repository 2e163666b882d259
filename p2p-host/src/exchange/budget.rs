//! What all visitors may have of something together, and each of them.
//!
//! Visitors are strangers: without a share of its own one of them could use up what is there for all.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use wingman_wire::id::VisitorId;

/// So much of something: bytes, exchanges.
#[derive(Debug)]
pub(super) struct Budget {
    all: usize,
    share: usize,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    all: usize,
    /// Nobody has nothing: who has given all back is not in it.
    by: HashMap<Option<VisitorId>, usize>,
}

/// A part of a budget; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Claim {
    budget: Arc<Budget>,
    visitor: Option<VisitorId>,
    amount: usize,
}

impl Budget {
    /// `all` of it, and at most `share` for one visitor.
    pub(super) fn new(all: usize, share: usize) -> Arc<Self> {
        Arc::new(Self { all, share, used: Mutex::default() })
    }

    /// An empty claim of `visitor`.
    pub(super) fn claim(self: &Arc<Self>, visitor: Option<VisitorId>) -> Claim {
        Claim { budget: self.clone(), visitor, amount: 0 }
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        let used = self.used.lock();
        assert_eq!(used.by.values().sum::<usize>(), used.all);
        used.all
    }
}

impl Claim {
    /// Takes so much more; `false`: there is no room, and nothing changes.
    pub(super) fn grow(&mut self, by: usize) -> bool {
        let mut used = self.budget.used.lock();
        let own = used.by.get(&self.visitor).copied().unwrap_or(0);
        let fits = |used: usize, limit| used.checked_add(by).filter(|used| *used <= limit);
        let (Some(all), Some(own)) =
            (fits(used.all, self.budget.all), fits(own, self.budget.share))
        else {
            return false;
        };
        used.all = all;
        used.by.insert(self.visitor, own);
        drop(used);
        self.amount += by;
        true
    }

    /// Gives all of it back.
    pub(super) fn clear(&mut self) {
        let amount = std::mem::take(&mut self.amount);
        if amount == 0 {
            return;
        }
        let mut used = self.budget.used.lock();
        used.all -= amount;
        if let Some(own) = used.by.get_mut(&self.visitor) {
            *own -= amount;
            if *own == 0 {
                used.by.remove(&self.visitor);
            }
        }
    }

    /// How much it is.
    pub(super) fn amount(&self) -> usize {
        self.amount
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visitor(number: u128) -> Option<VisitorId> {
        Some(VisitorId::from_bits(number))
    }

    #[test]
    fn one_visitor_leaves_room_for_others_and_all_have_a_limit() {
        let budget = Budget::new(10, 4);
        let mut greedy = [budget.claim(visitor(1)), budget.claim(visitor(1))];
        assert!(greedy[0].grow(3) && greedy[1].grow(1));
        assert!(!greedy[0].grow(1) && !greedy[1].grow(1), "that is its share");
        let mut others = [budget.claim(visitor(2)), budget.claim(None)];
        assert!(others[0].grow(4) && others[1].grow(2));
        assert!(!others[1].grow(1), "that is all");
        assert_eq!(budget.used(), 10);
        greedy[0].clear();
        assert_eq!((greedy[0].amount(), budget.used()), (0, 7));
        assert!(!greedy[1].grow(4) && greedy[1].grow(3));
        drop((greedy, others));
        assert_eq!(budget.used(), 0);
        assert!(budget.used.lock().by.is_empty());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let budget = Budget::new(usize::MAX, usize::MAX);
        let mut claim = budget.claim(None);
        assert!(claim.grow(1) && !claim.grow(usize::MAX));
        assert_eq!(budget.used(), 1);
    }
}
