//! Do the alert rules fire when they should? As promtool tests them; that their names exist is said by `gateway/metrics.rs`,
//! and by the authorization server's own tests.

use std::process::Command;

use wicketgate_e2e::{files, layout};

/// Where there are rules, and their tests beside them.
const FOLDERS: [&str; 2] = ["envoy", "auth-sidecar"];

#[test]
fn promtool_accepts_and_tests_the_alert_rules() {
    // Where it cannot be had, the script says why and what to do.
    let promtool = layout::obtain("promtool").unwrap();
    for folder in FOLDERS {
        for arguments in [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts.test.yaml"]] {
            let output = Command::new(&promtool)
                .args(arguments)
                .current_dir(layout::root().join(folder))
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(output.status.success(), "{folder}: {said}");
        }
    }
}

#[test]
fn every_alert_is_tested() {
    for folder in FOLDERS {
        let read = |name: &str| files::read(&layout::root().join(folder).join(name)).unwrap();
        let (rules, tests) = (read("alerts.yaml"), read("alerts.test.yaml"));
        let alerts: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
        assert!(alerts.len() > 5, "{alerts:?}");
        for alert in alerts {
            let fires = format!("alertname=\"{alert}\", alertstate=\"firing\"");
            assert!(tests.contains(&fires), "{alert} is not tested");
        }
        assert!(
            tests.contains("{expr: ALERTS, eval_time: 30m, exp_samples: []}"),
            "while all is well, none fires"
        );
    }
}
