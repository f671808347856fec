//! The web servers of a simulated world: what stands behind which URL, and how long it takes to come.

use keyphone_media::env::Instant;
use keyphone_ua::endpoint::Input;
use std::collections::BTreeMap;
use std::time::Duration;

/// All that can be fetched in a world. What stands nowhere is not found.
#[derive(Clone, Debug)]
pub struct Web {
    pages: BTreeMap<String, Vec<u8>>,
    latency: Duration,
    asked: Vec<String>,
    on_the_way: BTreeMap<(Instant, usize), (usize, keyphone_keying::Url)>,
}

impl Default for Web {
    fn default() -> Self {
        let (pages, asked, on_the_way) = (BTreeMap::new(), vec![], BTreeMap::new());
        Self { pages, latency: Duration::from_millis(50), asked, on_the_way }
    }
}

impl Web {
    /// Everything takes so long.
    pub fn set_latency(&mut self, latency: Duration) {
        self.latency = latency;
    }

    /// From now on this stands there.
    pub fn serve(&mut self, url: &str, octets: &[u8]) {
        self.pages.insert(url.into(), octets.into());
    }

    /// All that was fetched so far, in order.
    pub fn asked(&self) -> &[String] {
        &self.asked
    }

    pub(crate) fn ask(&mut self, node: usize, url: keyphone_keying::Url, now: Instant) {
        let at = (now + self.latency, self.asked.len());
        self.asked.push(url.to_string());
        self.on_the_way.insert(at, (node, url));
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.on_the_way.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn pop(&mut self) -> Option<(usize, Input<'static>)> {
        let (_, (node, url)) = self.on_the_way.pop_first()?;
        let page = self.pages.get(url.as_str()).cloned();
        let result = page.ok_or_else(|| "the server says 404 Not Found".to_owned());
        Some((node, Input::Fetched { url, result }))
    }
}
