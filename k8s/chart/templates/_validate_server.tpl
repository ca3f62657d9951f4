{{/* What the filter, or Envoy around it, does not take here though a policy may say it: nobody would be told before a pod starts, or nobody at all. */}}
{{- define "wicketgate.validateServer" -}}
{{- $name := .server.name -}}
{{- range .server.dispatch -}}
{{- if .branch }}{{ fail (printf "config.servers: dispatch of %s: a branch needs routes, and this chart draws one to each server: make the other place a server of its own." $name) }}{{ end -}}
{{- end -}}
{{- with (default dict .server.credential).static -}}
{{- if or .file .prefix }}{{ fail (printf "config.servers: credential.static of %s: file and prefix are for `wicketgate render envoy`: leave them out, and have the gateway's Envoy put the secret in." $name) }}{{ end -}}
{{- if eq $.root.Values.mode "standalone" }}{{ fail (printf "config.servers: credential.static of %s: nothing puts the secret in in mode standalone: say exchanged or signed_identity." $name) }}{{ end -}}
{{- end -}}
{{- if kindIs "string" (default dict .server.tools).baseline }}{{ fail (printf "config.servers: tools.baseline of %s is a file, and the filter reads none: give its content (`wicketgate render policy.yaml --to json` writes it)." $name) }}{{ end -}}
{{- with .server.rego -}}
{{- if or .files .bundle .data }}{{ fail (printf "config.servers: rego of %s names files, and the filter reads none: give `compiled` (`wicketgate render policy.yaml --to json` writes it)." $name) }}{{ end -}}
{{- end -}}
{{- if and .server.client_certificates (or (and (eq $.root.Values.mode "istio") $.root.Values.istio.gateway.create) (and (eq $.root.Values.mode "envoyGateway") $.root.Values.envoyGateway.gateway.create)) }}{{ fail (printf "config.servers: client_certificates of %s: the Gateway that the chart makes asks clients for none, so that no rule about them would ever hold. Name one of your own that does (gateway.create: false)." $name) }}{{ end -}}
{{- if eq $.root.Values.mode "envoyGateway" -}}
{{- range .server.origins -}}
{{- if contains "[" . }}{{ fail (printf "config.servers: origins of %s: Envoy Gateway takes no address of IPv6 (%s): give the page a name." $name .) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if and .server.client_certificates (eq $.root.Values.mode "standalone") }}{{ fail (printf "config.servers: client_certificates of %s: the Envoy of mode standalone asks clients for none, so that no rule about them would ever hold." $name) }}{{ end -}}
{{- end }}
