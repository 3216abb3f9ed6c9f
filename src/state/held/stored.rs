//! The stored form of held messages: each with its text, although in memory all texts share a ring of their own.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Author, HeldMessage, Rings};
use crate::config::Millis;
use crate::ids::JsonText;

#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    seq: u64,
    id: u64,
    at: Millis,
    author: Option<Author>,
    #[serde(borrow)]
    text: JsonText<'a>,
}

impl Serialize for Rings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let texts: Vec<u8> = self.texts.iter().copied().collect();
        let texts = std::str::from_utf8(&texts).map_err(serde::ser::Error::custom)?;
        let mut start = 0;
        serializer.collect_seq(self.messages.iter().map(|message| {
            let end = start + message.text_bytes;
            let text = JsonText::from_ring(&texts[start..end]);
            start = end;
            Stored { seq: message.seq, id: message.id, at: message.at, author: message.author.clone(), text }
        }))
    }
}

impl<'de> Deserialize<'de> for Rings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut rings = Self::default();
        for Stored { seq, id, at, author, text } in Vec::<Stored<'de>>::deserialize(deserializer)? {
            let text = text.as_str();
            rings.push(HeldMessage { seq, id, at, author, text_bytes: text.len() }, text);
        }
        Ok(rings)
    }
}
