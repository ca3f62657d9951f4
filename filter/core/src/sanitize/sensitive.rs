//! Does a form ask for what a person should type nowhere but at its owner's? Passwords, keys, codes, card numbers.
//!
//! Words of English only, and no disguise is seen through: what asks in other words passes.

/// Words that make a short text (a name, a title) one of these.
const NAMES: [&str; 17] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "secret",
    "credential",
    "credentials",
    "token",
    "otp",
    "totp",
    "pin",
    "cvv",
    "cvc",
    "ssn",
    "apikey",
    "mnemonic",
];
/// The same, of several words.
const PHRASES: [&str; 14] = [
    "api key",
    "access key",
    "secret key",
    "private key",
    "signing key",
    "access token",
    "security code",
    "credit card",
    "card number",
    "recovery code",
    "seed phrase",
    "one time code",
    "verification code",
    "social security",
];
/// Words that make a sentence one of these. Fewer, because a sentence may have a token or a pin for other reasons.
const PROSE: [&str; 7] = ["password", "passwords", "passwd", "passphrase", "passcode", "cvv", "otp"];

/// Whether a name or title says so.
pub(crate) fn name_is_sensitive(text: &str) -> bool {
    let words = words(text);
    let joined = words.join(" ");
    NAMES.iter().any(|name| words.iter().any(|word| word == name))
        || PHRASES.iter().any(|phrase| holds(&joined, phrase))
        // `userpassword`, `mysecretkey`.
        || ["password", "passphrase", "secretkey", "apikey"].iter().any(|part| words.concat().contains(part))
}

/// Whether a description or message says so.
pub(crate) fn prose_is_sensitive(text: &str) -> bool {
    let words = words(text);
    let joined = words.join(" ");
    PROSE.iter().any(|name| words.iter().any(|word| word == name))
        || PHRASES.iter().any(|phrase| holds(&joined, phrase))
}

/// Whether `phrase` stands in `text`, both of whole words.
fn holds(text: &str, phrase: &str) -> bool {
    text.match_indices(phrase).any(|(at, found)| {
        let before = text.get(..at).unwrap_or_default();
        let after = text.get(at + found.len()..).unwrap_or_default();
        (before.is_empty() || before.ends_with(' ')) && (after.is_empty() || after.starts_with([' ', 's']))
    })
}

/// In lower case, parted where letters and digits end, and where a capital follows a small letter.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in text.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && before.is_lowercase()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_in_any_spelling_and_others_are_not() {
        for name in [
            "password",
            "Password",
            "user_password",
            "newPassword",
            "USERPASSWORD",
            "db-passwd",
            "apiKey",
            "API key",
            "aws_secret_access_key",
            "accessToken",
            "2fa otp",
            "PIN",
            "cardNumber",
            "Credit cards",
            "private_key",
            "seed phrase",
            "one-time code",
        ] {
            assert!(name_is_sensitive(name), "{name}");
        }
        for name in [
            "email",
            "username",
            "pinned",
            "max_tokens",
            "keyboard",
            "monkey",
            "opinion",
            "passenger",
            "key",
            "",
        ] {
            assert!(!name_is_sensitive(name), "{name}");
        }
    }

    #[test]
    fn prose_needs_stronger_words() {
        for text in ["Enter your password:", "Paste the API key here", "Type the CVV.", "your access tokens"]
        {
            assert!(prose_is_sensitive(text), "{text}");
        }
        for text in ["Which token limit?", "Pin this note", "A secret garden", "Your name"] {
            assert!(!prose_is_sensitive(text), "{text}");
        }
    }
}
