//! How a task sees its target and its queue: opened when first needed, and anew when the object names another or it went bad.

use caudal_scaling::Load;
use kube::{Client, ResourceExt};

use crate::crd::{self, QueueScaler};
use crate::error::Error;
use crate::source::{Source, Sources, Unread, Wakes, no_wakes};
use crate::target::{Scale, Target};

/// The target, once it is found.
#[derive(Default)]
pub(crate) struct TargetEye {
    found: Option<Target>,
}

impl TargetEye {
    pub(crate) async fn look(&mut self, client: &Client, object: &QueueScaler) -> Result<(Target, Scale), Error> {
        let reference = &object.spec.scale_target_ref;
        let target = match self.found.take().filter(|target| target.is(reference)) {
            Some(target) => target,
            None => Target::find(client.clone(), &object.namespace().unwrap_or_default(), reference.clone()).await?,
        };
        let scale = target.scale().await?;
        self.found = Some(target.clone());
        Ok((target, scale))
    }
}

/// The queue, once it is open.
pub(crate) struct SourceEye {
    open: Option<(crd::Source, Source)>,
    /// Told when to look at once.
    pub(crate) wakes: Wakes,
}

impl Default for SourceEye {
    fn default() -> Self {
        Self { open: None, wakes: no_wakes() }
    }
}

impl SourceEye {
    pub(crate) async fn look(&mut self, sources: &Sources, object: &QueueScaler) -> Result<Load, Unread> {
        let wanted = &object.spec.source;
        let open = match self.open.take().filter(|(named, _)| named == wanted) {
            Some((_, source)) => source,
            None => {
                self.wakes = no_wakes();
                let source = sources.open(&object.namespace().unwrap_or_default(), wanted).await?;
                self.wakes = source.wakes();
                source
            }
        };
        let load = open.load().await;
        // Somebody must mend something, perhaps the password: then it has to be read again, at the next tick.
        if matches!(load, Err(Unread::Misconfigured(_))) {
            self.wakes = no_wakes();
        } else {
            self.open = Some((wanted.clone(), open));
        }
        load
    }
}
