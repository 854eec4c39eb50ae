//! A new file in `migrations/` has to be compiled in, though no line of code changes.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
