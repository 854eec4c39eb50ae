//! The queue beside a model of it: random steps on both, compared after each. `PROPTEST_CASES` makes it longer.

mod act;
mod answer;
mod apply;
mod compare;
mod raw;
mod state;
mod step;
mod system;

use std::sync::atomic::Ordering;

use caudal_testkit::Redis;
use proptest::test_runner::{Config, TestError, TestRunner};
use proptest_state_machine::ReferenceStateMachine;
use tokio::runtime;

use state::Model;
use step::Step;
use system::System;

const CASES: u32 = 32;
const MOST_STEPS: usize = 60;

#[test]
fn whatever_is_done_to_it_the_queue_does_as_its_model() {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let redis = runtime.block_on(Redis::start()).unwrap();
    let cases = std::env::var("PROPTEST_CASES").map_or(CASES, |cases| cases.parse().unwrap());
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let sequences = Queueing::sequential_strategy(1..MOST_STEPS);
    let done = runner.run(&sequences, |(model, steps, seen)| {
        let count = || {
            seen.iter().for_each(|seen| {
                seen.fetch_add(1, Ordering::SeqCst);
            });
        };
        runtime.block_on(both(&redis, model, steps, count));
        Ok(())
    });
    match done {
        Ok(()) => {}
        Err(TestError::Fail(reason, (Model { clock_behind, .. }, steps, _))) => {
            panic!("{reason}; with clock_behind {clock_behind}, after {steps:#?}")
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

/// Takes the steps on the model and on a queue of its own.
async fn both(redis: &Redis, mut model: Model, steps: Vec<Step>, count: impl Fn()) {
    let mut system = System::start(redis, &model).await;
    for step in steps {
        count();
        model = Queueing::apply(model, &step);
        system.take(&step, &model).await;
        system.compare(&model).await;
    }
}

struct Queueing;

impl ReferenceStateMachine for Queueing {
    type State = Model;
    type Transition = Step;

    fn init_state() -> proptest::strategy::BoxedStrategy<Model> {
        step::beginnings()
    }

    fn transitions(model: &Model) -> proptest::strategy::BoxedStrategy<Step> {
        step::steps(model)
    }

    fn apply(mut model: Model, step: &Step) -> Model {
        model.apply(step);
        model
    }
}
