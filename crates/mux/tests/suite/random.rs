//! Random operations on a pair: see [`crate::model`].

use proptest::{collection::vec, prelude::*};

use crate::{
    choice::{Scripted, Seeded},
    model::{Model, Reached},
};

#[test]
fn long_runs_from_seeds() {
    let mut reached = Reached::default();
    for seed in 0..500 {
        let run = std::panic::catch_unwind(|| Model::run(&mut Seeded::new(seed, 4_000)));
        let run = run.unwrap_or_else(|_| panic!("seed {seed}"));
        reached.finished += run.finished;
        reached.reset += run.reset;
        reached.refused += run.refused;
        reached.waited += run.waited;
        reached.grown += run.grown;
        reached.early += run.early;
    }
    // A model that does nothing finds nothing.
    assert!(reached.finished > 2_000, "{reached:?}");
    assert!(reached.reset > 2_000, "{reached:?}");
    assert!(reached.refused > 500, "{reached:?}");
    assert!(reached.waited > 5_000, "{reached:?}");
    assert!(reached.grown > 1_000, "{reached:?}");
    assert!(reached.early > 100, "{reached:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    // Bytes instead of a seed: proptest can make a failing run short.
    #[test]
    fn short_runs_from_bytes(script in vec(any::<u8>(), 0..1_000)) {
        Model::run(&mut Scripted(&script));
    }
}
