//! The sample MCP server.

fn main() {}
