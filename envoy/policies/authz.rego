# A policy of an operator's own, narrower than the rules of rego.yaml beside it. What `input` holds: filter/CONFIGURATION.md,
# "Rego". Its tests lie in authz_test.rego; `wicketgate test envoy/policies` runs them, and so does `opa test`.
package mcp.authz

# What lists show. Names that only operators may call are shown to operators.
default visible := false

visible if not sensitive

visible if "operator" in input.principal.roles

# What may be called.
default allow := false

allow if {
	not sensitive
	not too_broad
}

# Tools that change something: during working hours, and nothing that looks like a secret goes into a note.
allow if {
	sensitive
	"operator" in input.principal.roles
	working_hours
	not holds_a_secret
}

sensitive if input.tool.labels.risk == "high"

working_hours if {
	not input.time.weekday in {"Saturday", "Sunday"}
	input.time.hour >= 7
	input.time.hour < 19
}

# A search for everything is a copy of everything.
too_broad if {
	input.tool.name == "search_notes"
	trim_space(input.arguments.query) in {"", "*"}
}

holds_a_secret if contains(lower(input.arguments.text), "password:")
