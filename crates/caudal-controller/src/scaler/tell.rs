//! Telling: the status when it changed, and an event for each change, beside the scaling, which never waits for it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource};
use serde_json::json;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::warn;

use super::Context;
use crate::backoff::pause;
use crate::conditions::Account;
use crate::crd::{QueueScaler, QueueScalerStatus};
use crate::error::Error;
use crate::lease::Leadership;
use crate::news::News;
use crate::report::{Outcome, report};
use crate::target::MANAGER;

/// What is written, for the reader of an error.
const STATUS: &str = "the status";
/// How many events wait while none can be written; older ones are forgotten.
const MOST_NEWS: usize = 16;
/// How long what is under way may still take at the end.
const LAST_WORD: Duration = Duration::from_secs(1);

/// What is told of one object.
pub(super) struct Teller {
    context: Arc<Context>,
    /// The status as it is to be; none until it is taken from the object.
    status: Option<QueueScalerStatus>,
    /// Whether the API server has another.
    unwritten: bool,
    news: Vec<News>,
    /// Of which object there is something to tell, if there is, and the leadership that allows it.
    about: Option<About>,
    under_way: Option<Saying>,
    failures: u32,
    again: Option<Instant>,
}

type About = (ObjectReference, Leadership);

/// Gives back what could not be told, and why.
type Saying = Pin<Box<dyn Future<Output = Result<(), (Word, Error)>> + Send>>;

/// What is told at once.
struct Word {
    about: About,
    status: Option<QueueScalerStatus>,
    news: Vec<News>,
}

impl Teller {
    pub(super) fn new(context: Arc<Context>) -> Self {
        let (status, unwritten, news, about, under_way) = (None, false, Vec::new(), None, None);
        Self { context, status, unwritten, news, about, under_way, failures: 0, again: None }
    }

    /// Takes in what a look came to, and begins to tell what that changes.
    pub(super) fn tell(
        &mut self,
        (object, lease): (&QueueScaler, &Leadership),
        account: &Account<'_>,
        outcome: Outcome,
        now: DateTime<Utc>,
    ) {
        let empty = QueueScalerStatus::default();
        let before = self.status.as_ref().or(object.status.as_ref()).unwrap_or(&empty);
        let (status, news) = report(before, account, outcome, object.metadata.generation, now);
        self.unwritten |= status != *before;
        self.status = Some(status);
        self.news.extend(news);
        let forgotten = self.news.len().saturating_sub(MOST_NEWS);
        self.news.drain(..forgotten);
        if self.unwritten || !self.news.is_empty() {
            self.about = Some((object.object_ref(&()), lease.clone()));
        }
        self.begin();
    }

    /// Somebody else tells now, and perhaps says something else.
    pub(super) fn rest(&mut self) {
        *self = Self::new(Arc::clone(&self.context));
    }

    /// Goes on with what is under way, and begins again what failed once its time has come. Never returns while there is nothing to tell.
    pub(super) async fn progress(&mut self) {
        if let Some(under_way) = &mut self.under_way {
            let told = under_way.await;
            self.under_way = None;
            match told {
                Ok(()) => self.failures = 0,
                Err((unsaid, error)) => self.put_off(unsaid, &error),
            }
        } else if let Some(again) = self.again {
            sleep_until(again).await;
            self.again = None;
        } else {
            std::future::pending::<()>().await;
        }
        self.begin();
    }

    /// Ends what is under way, if that does not take long: what is not told by now the next controller tells, but for the events.
    pub(super) async fn finish(&mut self) {
        let rest = async {
            while self.under_way.is_some() {
                self.progress().await;
            }
        };
        let _ = timeout(LAST_WORD, rest).await;
    }

    fn put_off(&mut self, unsaid: Word, error: &Error) {
        let Word { about, mut news, .. } = unsaid;
        if self.failures == 0 {
            let (namespace, name) = (about.0.namespace.as_deref(), about.0.name.as_deref());
            warn!(queuescaler.namespace = namespace, queuescaler.name = name, %error, "cannot write the status; tries again");
        }
        news.append(&mut self.news);
        self.news = news;
        self.unwritten = true;
        self.about.get_or_insert(about);
        self.failures = self.failures.saturating_add(1);
        self.again = Some(Instant::now() + pause(self.failures, fastrand::f64()));
    }

    fn begin(&mut self) {
        if self.under_way.is_some() || self.again.is_some() {
            return;
        }
        let Some(about) = self.about.take() else { return };
        let status = self.status.clone().filter(|_| std::mem::take(&mut self.unwritten));
        let news = std::mem::take(&mut self.news);
        self.under_way = Some(Box::pin(say(Arc::clone(&self.context), Word { about, status, news })));
    }
}

/// Writes the status, then the events about what it says.
async fn say(context: Arc<Context>, word: Word) -> Result<(), (Word, Error)> {
    let _turn = context.telling.acquire().await;
    if let Some(status) = &word.status
        && let Err(error) = write(&context, &word.about, status).await
    {
        return Err((word, error));
    }
    for piece in word.news {
        piece.publish(&context.client, &context.reporter, &word.about.0).await;
    }
    Ok(())
}

async fn write(context: &Context, (about, lease): &About, status: &QueueScalerStatus) -> Result<(), Error> {
    let (namespace, name) = (about.namespace.as_deref().unwrap_or_default(), about.name.as_deref().unwrap_or_default());
    let api: Api<QueueScaler> = Api::namespaced(context.client.clone(), namespace);
    let (version, kind) = (QueueScaler::api_version(&()), QueueScaler::kind(&()));
    let patch = Patch::Apply(json!({ "apiVersion": version, "kind": kind, "status": status }));
    let forced = PatchParams::apply(MANAGER).force();
    match lease.hold(STATUS, Error::of(STATUS, api.patch_status(name, &forced, &patch))).await {
        Ok(_) | Err(Error::Missing(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
