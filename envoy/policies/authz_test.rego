package mcp.authz_test

import data.mcp.authz

reader := {"authenticated": true, "subject": "alice", "roles": [], "scopes": ["mcp:read"]}

operator := {"authenticated": true, "subject": "olga", "roles": ["operator"], "scopes": ["mcp:read", "mcp:write"]}

monday := {"weekday": "Monday", "hour": 10}

search(query) := {
	"method": "tools/call",
	"tool": {"name": "search_notes", "labels": {}},
	"principal": reader,
	"arguments": {"query": query},
	"time": monday,
}

write(who, text, time) := {
	"method": "tools/call",
	"tool": {"name": "write_note", "labels": {"risk": "high"}},
	"principal": who,
	"arguments": {"text": text},
	"time": time,
}

test_a_search_is_allowed if authz.allow with input as search("report")

test_a_search_for_everything_is_not if {
	not authz.allow with input as search("*")
	not authz.allow with input as search("  ")
}

test_operators_write_during_working_hours if {
	authz.allow with input as write(operator, "hello", monday)
	not authz.allow with input as write(operator, "hello", {"weekday": "Monday", "hour": 20})
	not authz.allow with input as write(operator, "hello", {"weekday": "Sunday", "hour": 10})
}

test_nobody_else_writes if not authz.allow with input as write(reader, "hello", monday)

test_a_secret_is_not_written if not authz.allow with input as write(operator, "Password: x", monday)

test_lists_show_what_may_be_called if {
	authz.visible with input as search("x")
	authz.visible with input as write(operator, "x", monday)
	not authz.visible with input as write(reader, "x", monday)
}
