package mcp.authz

default allow := false

default visible := false

readers := {"search", "get_note", "list_files", "read_file"}

analysts := {"run_query", "explain_query", "export_report"}

operators := {"write_note", "scale", "restart", "transfer"}

admins := {"drop_table", "rotate_keys"}

tools_of := {
	"viewer": readers,
	"analyst": readers | analysts,
	"operator": readers | operators,
	"admin": ((readers | analysts) | operators) | admins,
}

has_tool if {
	some role in input.principal.roles
	input.tool.name in tools_of[role]
}

visible if has_tool

allow if {
	has_tool
	scope_fits
	in_hours
	not bad_path
	not bad_sql
	not too_much
	not too_many_replicas
	not bad_comment
}

scope_fits if {
	not writes
	"mcp:read" in input.principal.scopes
}

scope_fits if {
	writes
	"mcp:write" in input.principal.scopes
}

writes if input.tool.name in operators

writes if input.tool.name in admins

in_hours if not guarded

in_hours if {
	not input.time.weekday in {"Saturday", "Sunday"}
	input.time.hour >= 7
	input.time.hour < 19
}

guarded if input.server.labels.env == "production"

bad_path if contains(input.arguments.path, "..")

bad_path if {
	input.arguments.path
	not startswith(input.arguments.path, "/data/")
}

bad_sql if contains(lower(input.arguments.sql), "drop ")

bad_sql if contains(lower(input.arguments.sql), "delete ")

bad_sql if {
	input.arguments.sql
	not startswith(lower(input.arguments.sql), "select ")
}

bad_sql if not input.arguments.database in {"warehouse", "reports"}

ceiling := 10000 if "admin" in input.principal.roles else := 500

too_much if input.arguments.amount > ceiling

too_many_replicas if input.arguments.replicas > 10

too_many_replicas if input.arguments.replicas < 0

bad_comment if count(input.arguments.comment) > 200

bad_comment if contains(lower(input.arguments.comment), "password")
