//! A phone whose media ports are all in use.

mod peers;

use peers::{KEY, Ports, Process, answer, keyphone, text};
use std::time::Duration;

/// One call for each of the four pairs, and one more. It is refused, and those that are up go on; once they are over
/// there is room again.
#[test]
fn a_phone_without_free_media_ports_refuses_one_call_and_keeps_the_others() {
    let (dir, ports) = (tempfile::tempdir().unwrap(), Ports::free());
    let config = ports.config(dir.path(), ports.bob_media());
    let [first, last] = ports.bob_media();
    let at = format!("127.0.0.1:{}", ports.bob());
    let bob = answer(keyphone("answer", &["--listen", &at, "--psk", KEY, "--config", text(&config)]));
    let uri = format!("sip:bob@{at}");
    let call = |length: &str| Process::start(keyphone("call", &[&uri, "--psk", KEY, "--for", length]));
    let mut talking: Vec<_> = (first..=last).step_by(2).map(|_| call("60s")).collect();
    talking.iter_mut().for_each(|call| drop(call.event("media.heard")));

    let refused = call("1s").finish();
    assert_eq!(refused.code, Some(1), "{refused}");
    assert_eq!(refused.only("call.ended")["status"], 503, "{refused}");

    for call in talking {
        call.interrupt();
        let call = call.finish();
        assert_eq!(call.code, Some(0), "{call}");
        assert_eq!(call.only("call.ended")["outcome"], "completed", "{call}");
    }
    // Ports are free again a moment after the calls have ended.
    std::thread::sleep(Duration::from_millis(100));
    let again = call("100ms").finish();
    assert_eq!(again.code, Some(0), "{again}");
    bob.interrupt();
    let bob = bob.finish();
    assert_eq!((bob.code, &bob.only("summary")["completed"]), (Some(0), &5.into()), "{bob}");
}
