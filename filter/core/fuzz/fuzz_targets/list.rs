//! A filtered answer is JSON when the answer was, shows nothing hidden, and stays as it is when filtered again.
#![no_main]
use wicketgate_core::{mcp::operation::Target, sanitize::list::filter_list};

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    let mut visible = |target: &Target| target.name().len() % 2 == 0;
    let Ok(once) = filter_list(body, None, &mut visible) else { return };
    let Some(out) = once.body else { return };
    let again = filter_list(&out, None, &mut visible).expect("still readable");
    assert_eq!((again.body, again.report.removed, again.report.unreadable), (None, 0, 0));
    assert_eq!(again.report.kept, once.report.kept);
});
