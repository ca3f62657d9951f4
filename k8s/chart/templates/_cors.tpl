{{/* What pages of other origins may do: as `wicketgate render envoy` draws it. Each takes a server. */}}

{{/* Origins as browsers write them, as a JSON list: without the port that a scheme has anyway, in lower case. */}}
{{- define "wicketgate.origins" -}}
{{- $origins := list -}}
{{- range .origins -}}
{{- $origin := lower . -}}
{{- if hasPrefix "https://" $origin }}{{ $origin = trimSuffix ":443" $origin }}{{ else if hasPrefix "http://" $origin }}{{ $origin = trimSuffix ":80" $origin }}{{ end -}}
{{- $origins = append $origins $origin -}}
{{- end -}}
{{- uniq $origins | toJson -}}
{{- end }}

{{- define "wicketgate.cors.methods" }}GET, POST, DELETE{{ end }}

{{/* Envoy knows exact names only, and browsers take no `*` beside a token: so those of parameters are told. */}}
{{- define "wicketgate.cors.headers" -}}
authorization, content-type, accept, dpop, last-event-id, mcp-protocol-version, mcp-session-id, mcp-method, mcp-name
{{- range .upstream.params }}, mcp-param-{{ lower . }}{{ end -}}
{{- end }}

{{- define "wicketgate.cors.exposed" }}www-authenticate, mcp-session-id, mcp-protocol-version, retry-after, dpop-nonce{{ end }}

{{/* Of a route, as Envoy's filter reads it, as JSON. */}}
{{- define "wicketgate.cors.policy" -}}
{{- $origins := list -}}
{{- range include "wicketgate.origins" . | fromJsonArray }}{{ $origins = append $origins (dict "exact" .) }}{{ end -}}
{{- dict "@type" "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy" "allow_origin_string_match" $origins "allow_methods" (include "wicketgate.cors.methods" .) "allow_headers" (include "wicketgate.cors.headers" .) "expose_headers" (include "wicketgate.cors.exposed" .) "max_age" "600" | toJson -}}
{{- end }}

{{/* Whether any server has origins: takes the root. */}}
{{- define "wicketgate.cors.any" -}}
{{- $any := "" -}}
{{- range .Values.config.servers }}{{ if .origins }}{{ $any = "true" }}{{ end }}{{ end -}}
{{- $any -}}
{{- end }}
