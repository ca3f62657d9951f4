//! How does an MCP client log in and call? A small one of our own, for what the official SDKs cannot be made to send;
//! it takes nothing for granted that the specifications do not promise.
//!
//! [`http`] requests without redirects, cookies or pools of magic · [`events`] Server-Sent Events as they arrive ·
//! [`forms`] HTML forms, filled in by field name · [`oauth`] from a 401 to tokens · [`mcp`] both protocol eras ·
//! [`raw`] bytes on a socket.

pub mod events;
pub mod forms;
pub mod http;
pub mod mcp;
pub mod oauth;
pub mod raw;
