//! What is to be done after a test, also after one that is killed or interrupted.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use super::Place;
use super::tools::spawn;

/// Runs a script when it is dropped, or when the test is gone, and then removes the test's place.
pub struct Rest(Child);

/// Its standard input ends with the test, however that ends.
const WAIT: &str = "read -r ended\n";
const REMOVE: &str = "status=$?\n[ \"$ended\" ] || rm -rf --one-file-system \"$0\"\nexit $status\n";

impl Rest {
    /// In the script, `$0` is the place, and `$1` and so on are these words.
    #[track_caller]
    pub fn of(place: &Place, script: &str, words: &[&str]) -> Rest {
        // Ctrl-C on the tests' terminal is not for it.
        let mut command = Command::new("setsid");
        command.args(["sh", "-c", &[WAIT, script, REMOVE].concat()]);
        command.arg(place.path("")).args(words).stdin(Stdio::piped());
        Rest(spawn(&mut command))
    }

    /// What is done where the test is killed.
    #[track_caller]
    pub fn test_is_killed(&mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        let Some(mut end) = self.0.stdin.take() else { return };
        end.write_all(b"ended\n").unwrap();
        drop(end);
        let ended = self.0.wait().unwrap();
        assert!(ended.success() || std::thread::panicking(), "something is left: {ended}");
    }
}
