//! Nobody is given the port of another.

use std::{collections::BTreeSet, thread};

use caudal_testkit::free_port;

#[test]
fn of_all_who_ask_at_the_same_time_none_gets_the_port_of_another_though_nobody_listens_yet() {
    let askers: Vec<_> = (0..4).map(|_| thread::spawn(|| [(); 100].map(|()| free_port().unwrap()))).collect();
    let given: Vec<u16> = askers.into_iter().flat_map(|asker| asker.join().unwrap()).collect();
    let different: BTreeSet<&u16> = given.iter().collect();
    assert_eq!(different.len(), given.len(), "{given:?}");
}
