//! `deskwire doctor` and TLS: each fault of a certificate or of a handshake.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use serde_json::Value;

use crate::support::tls::{Certificate, certificate};
use crate::support::{Desk, Launch, TOKEN};
use crate::{desk, desk_with};

/// What the doctor finds at a URL, on a machine that trusts this certificate: its exit code, and all.
fn examined(url: &str, trusted: &Certificate, args: &[&str]) -> (Option<i32>, Vec<Value>) {
    let launch = Launch::bare().env("SSL_CERT_FILE", &trusted.certificate());
    let ended = launch.args(&["doctor", url, "--json", "--idle", "0"]).args(args).run();
    let found: Value =
        serde_json::from_str(&ended.stdout.join("")).unwrap_or_else(|_| panic!("{:?}", ended.stderr));
    (ended.code, found["findings"].as_array().unwrap().clone())
}

fn url(desk: &Desk) -> String {
    format!("https://{}", desk.server.addr)
}

/// The last finding is this one, which is bad, and one line fixes it.
fn finds(url: &str, trusted: &Certificate, (code, exit, fix): (&str, i32, &str)) {
    let (ended, found) = examined(url, trusted, &[]);
    let bad: Vec<_> = found
        .iter()
        .filter(|finding| finding["severity"] == "fault" || finding["severity"] == "warning")
        .collect();
    let [finding] = bad[..] else { panic!("{code}: {found:?}") };
    assert_eq!((finding["code"].as_str(), ended), (Some(code), Some(exit)), "{found:?}");
    let said = finding["fix"].as_str().unwrap();
    assert!(said.contains(fix), "{said}");
}

#[test]
fn the_doctor_looks_through_tls_and_finds_nothing_where_all_is_well() {
    let desk = desk();
    let by_name = format!("https://localhost:{}", desk.server.addr.port());
    assert_eq!(examined(&by_name, certificate(), &[]).0, Some(0));
    let (code, found) = examined(&url(&desk), certificate(), &["--token", TOKEN]);
    assert_eq!(code, Some(0), "{found:?}");
    let codes: Vec<_> = found.iter().map(|finding| finding["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["tls", "alive", "upgrade", "origin", "token", "forwarded"]);
    assert!(found[0]["message"].as_str().unwrap().contains("valid until Fri, 31 Dec 2049"), "{found:?}");
}

#[test]
fn the_doctor_finds_each_fault_of_a_certificate() {
    let good = certificate();
    let other = Certificate::new();
    finds(&url(&desk()), &other, ("tls-issuer", 1, "fullchain.pem"));
    let expired = Certificate::until("20200201000000Z");
    finds(&url(&desk_with(&expired, &[])), &expired, ("tls-expired", 1, "certbot renew"));
    let later = Certificate::between("20480101000000Z", "20491231235959Z");
    finds(&url(&desk_with(&later, &[])), &later, ("tls-not-yet", 1, "timedatectl"));
    let soon = Certificate::until(&in_days(3));
    finds(&url(&desk_with(&soon, &[])), &soon, ("tls-expires", 3, "certbot renew"));
    // The certificate is for 127.0.0.1 and localhost.
    let elsewhere = desk_with(good, &["--listen", "127.0.0.2:0"]);
    finds(&url(&elsewhere), good, ("tls-name", 1, "certbot certonly --nginx -d 127.0.0.2"));
    // As openssl req -x509 makes them, and browsers do not like them.
    let signer = Certificate::signer();
    finds(&url(&desk_with(&signer, &[])), &other, ("tls-issuer", 1, "fullchain.pem"));
}

/// Three days from now, as openssl wants it.
fn in_days(days: u64) -> String {
    let date = std::process::Command::new("date")
        .args(["-u", "-d", &format!("+{days} days"), "+%Y%m%d%H%M%SZ"])
        .output()
        .expect("date runs");
    String::from_utf8(date.stdout).unwrap().trim().to_owned()
}

/// A server that reads a little, answers this, and closes.
fn answers(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _ = client.read(&mut [0; 4096]);
            let _ = client.write_all(answer);
        }
    });
    address
}

#[test]
fn the_doctor_finds_each_fault_of_a_handshake() {
    let plain = Launch::new().start_direct();
    finds(&format!("https://{}", plain.addr), certificate(), ("tls-none", 1, "listen 443 ssl"));
    let with_tls = desk();
    let without = format!("http://{}", with_tls.server.addr);
    finds(&without, certificate(), ("needs-tls", 1, &format!("https://{}", with_tls.server.addr)));
    // An alert: 70 is protocol_version (RFC 8446 6.2).
    let old = answers(&[0x15, 3, 1, 0, 2, 2, 70]);
    finds(&format!("https://{old}"), certificate(), ("tls-version", 1, "ssl_protocols"));
    let rude = answers(&[]);
    finds(&format!("https://{rude}"), certificate(), ("tls-cut", 1, "logs"));
    // 80 is internal_error.
    let broken = answers(&[0x15, 3, 3, 0, 2, 2, 80]);
    finds(&format!("https://{broken}"), certificate(), ("tls", 1, "openssl s_client"));
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    finds(&format!("https://{}", silent.local_addr().unwrap()), certificate(), ("silent", 1, "proxy_pass"));
}

#[test]
fn a_machine_that_trusts_nobody_is_told_so() {
    let desk = desk();
    let ended =
        Launch::bare().env("SSL_CERT_FILE", "/nowhere").args(&["doctor", &url(&desk), "--json"]).run();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout[0].contains("\"tls-roots\"") && ended.stdout[0].contains("ca-certificates"));
}

#[test]
fn a_health_check_asks_a_desk_with_tls_whatever_its_certificate() {
    // It has expired, signs itself, and is for another name.
    let expired = Certificate::until("20200201000000Z");
    let desk = desk_with(&expired, &["--listen", "127.0.0.2:0"]);
    let check = || {
        let launch = Launch::bare().env("DESKWIRE_LISTEN", &desk.server.addr.to_string());
        let launch = launch.env("DESKWIRE_TLS_CERT", &expired.certificate());
        launch.env("DESKWIRE_TLS_KEY", &expired.key()).args(&["doctor", "--local"]).run()
    };
    assert_eq!(check().code, Some(0));
    desk.server.signal("STOP");
    assert_eq!(check().code, Some(1), "one that hangs is not healthy");
    desk.server.signal("CONT");
}
