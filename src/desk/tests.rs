use super::*;
use crate::config::Assign;
use crate::ids::UserId;
use crate::service::Service as _;

const NOW: Millis = 1_000_000;

#[test]
fn without_random_bytes_a_user_is_closed_with_1011() {
    let mut fills = 0;
    let secrets = SecretSource::from_fn(move |_| {
        fills += 1;
        if fills == 1 { Ok(()) } else { Err(AuthError::Random(getrandom::Error::UNSUPPORTED)) }
    });
    let rules = Rules { max_chats: 1, max_tickets: 1, assign: Assign::Manual, user_grace_ms: 1 };
    let tokens = StaffTokens::desk("token").unwrap();
    let mut desk = Desk::new(rules, tokens, None, Vec::new(), secrets).unwrap();
    let mut out = Outbox::default();
    let refused = (0..1000).find_map(|slot| {
        let id = UserId::parse(&slot.to_string()).unwrap();
        desk.opened(NOW, ConnId::here(slot, 0), Guest::User(id, None, ClientAddress::UNSPECIFIED), &mut out)
            .err()
    });
    assert_eq!(refused.map(|why| why.code), Some(1011));
}
