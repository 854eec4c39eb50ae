//! Which mounts are control group hierarchies.

use super::{Hierarchy, Version, hierarchies};

#[test]
fn hierarchies_of_both_versions_are_found_among_other_mounts() {
    let mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
                  cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n\
                  proc /proc proc rw 0 0\n\
                  cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
    let found = hierarchies(mounts);
    assert_eq!(
        found,
        [
            Hierarchy { mount: "/sys/fs/cgroup/cpu,cpuacct".into(), version: Version::One },
            Hierarchy { mount: "/sys/fs/cgroup/unified".into(), version: Version::Two },
        ]
    );
}
