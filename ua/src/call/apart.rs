//! What protects each branch where every one has keys of its own: the offer was theirs, or our keys come with their
//! answers. One of them is in use at a time, and the others only hear.

use super::Cx;
use super::floor::{Early, Floor};
use super::media::Media;
use super::path::Path;
use std::collections::BTreeMap;

/// The paths of the branches, one in use and the others not.
#[derive(Default)]
pub(super) struct Apart {
    /// The branch whose path is in use.
    pub(super) of: Option<String>,
    /// Those of the others.
    aside: BTreeMap<String, Path>,
}

impl Media {
    /// Each branch will have keys of its own.
    pub(super) fn keep_apart(&mut self) {
        self.apart = Some(Box::default());
    }

    /// From now on this branch is keyed and heard, if each has keys of its own; the one before is put aside.
    pub(super) fn turn_to(&mut self, branch: &str) {
        let Some(apart) = self.apart.as_mut().filter(|apart| apart.of.as_deref() != Some(branch)) else { return };
        let new = apart.aside.remove(branch).unwrap_or_else(|| Path::Keyed(Box::default()));
        let old = std::mem::replace(&mut self.path, new);
        // Before there is any branch there is no key either.
        if let Some(of) = apart.of.replace(branch.to_owned()) {
            apart.aside.insert(of, old);
        }
    }

    /// This branch is the call: the keys of the others go.
    pub(super) fn stay_with(&mut self, branch: &str, cx: &mut Cx<'_, '_>) {
        self.turn_to(branch);
        self.close_aside(cx);
        self.apart = None;
    }

    /// This branch is gone, and so are its keys.
    pub(super) fn part_with(&mut self, branch: &str, cx: &mut Cx<'_, '_>) {
        if let Floor::Early(early) = &mut self.floor {
            early.part_with(branch);
        }
        let Some(apart) = &mut self.apart else { return };
        match apart.of.take_if(|of| of == branch) {
            Some(_) => {
                self.drop_keys(cx);
                // Nor does it get the reports of another branch.
                self.remote = None;
            }
            None => apart.aside.remove(branch).into_iter().for_each(|path| path.close(cx.ledger)),
        }
    }

    /// All branches are gone, and others may come.
    pub(super) fn part_with_all(&mut self, cx: &mut Cx<'_, '_>) {
        if let Floor::Early(early) = &mut self.floor {
            **early = Early::new(cx.settings.rules.early_media);
        }
        if self.apart.is_some() {
            self.close_aside(cx);
            self.drop_keys(cx);
            self.keep_apart();
        }
    }

    pub(super) fn close_aside(&mut self, cx: &mut Cx<'_, '_>) {
        let aside = self.apart.iter_mut().flat_map(|apart| std::mem::take(&mut apart.aside));
        aside.for_each(|(_, path)| path.close(cx.ledger));
    }
}

/// All that may open a packet, and whose it then is; first what is in use.
pub(super) fn paths<'a>(
    path: &'a mut Path,
    apart: &'a mut Option<Box<Apart>>,
) -> impl Iterator<Item = (Option<&'a str>, &'a mut Path)> {
    let (of, aside) = match apart.as_deref_mut() {
        Some(Apart { of, aside }) => (of.as_deref(), Some(aside)),
        None => (None, None),
    };
    let aside = aside.into_iter().flatten().map(|(of, path)| (Some(of.as_str()), path));
    std::iter::once((of, path)).chain(aside)
}
