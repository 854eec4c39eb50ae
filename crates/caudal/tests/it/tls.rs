//! A Redis that is reached over TLS, with a certificate of an authority of its own.

use std::path::Path;
use std::process::Command;

use caudal_testkit::{Redis, pki::Authority};

use crate::cli::{Told, told};

async fn caudal(redis: &Redis, authority: &Path, arguments: &[&str]) -> Told {
    let mut command = Command::new(env!("CARGO_BIN_EXE_caudal"));
    command.args(arguments).env("REDIS_URL", redis.tls_url().unwrap()).env("SSL_CERT_FILE", authority);
    told(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_with_an_authority_of_its_own_is_reached_by_ssl_cert_file_and_no_other_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new(&folder.path().join("ours")).unwrap();
    let another = Authority::new(&folder.path().join("another")).unwrap();
    let redis = Redis::start_tls(&ours.server("redis", &["127.0.0.1"]).unwrap()).await.unwrap();

    let paused = caudal(&redis, &ours.certificate(), &["queue", "pause"]).await;
    assert!(paused.success, "{}", paused.stderr);
    let shown = caudal(&redis, &ours.certificate(), &["queue", "show", "--json"]).await;
    assert_eq!(shown.json()["paused"], true);

    let refused = caudal(&redis, &another.certificate(), &["queue", "show"]).await;
    assert!(!refused.success && refused.stdout.is_empty(), "{}", refused.stdout);
    assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
}
