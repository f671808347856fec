//! The demo does what it promises.

use keyphone_scenarios::demo::{GOOD, GOOD_ON_A_BAD_DAY, live, simulated};
use keyphone_scenarios::link::Link;

#[test]
fn the_demo_call_over_loopback_is_heard_as_it_was_said() {
    let out = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = runtime.block_on(live(out.path(), std::future::pending(), &mut |_| {})).unwrap();
    println!("{}", report.ladder);
    assert_eq!(report.faults, Vec::<String>::new());
    assert!(report.heard.len() == 2 && report.heard.iter().all(|h| h.correlation >= GOOD && h.file.exists()));
    println!("{:?}", report.heard.iter().map(|h| (h.correlation, h.counts)).collect::<Vec<_>>());
    let page = std::fs::read_to_string(report.page).unwrap();
    assert_eq!(page.matches("<audio").count(), 2);
    if let Ok(to) = std::env::var("KEEP") {
        std::fs::write(to, page).unwrap();
    }
}

#[test]
fn the_demo_call_on_a_bad_day_loses_what_the_link_lost_and_no_more() {
    let out = tempfile::tempdir().unwrap();
    let report = simulated(out.path(), 1, Link::BAD_DAY).unwrap();
    println!("{}", report.ladder);
    println!("{:?}", report.heard.iter().map(|h| (h.correlation, h.counts)).collect::<Vec<_>>());
    assert_eq!(report.faults, Vec::<String>::new());
    assert!(report.heard.len() == 2 && report.heard.iter().all(|h| h.correlation >= GOOD_ON_A_BAD_DAY));
}
