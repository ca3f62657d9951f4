{{/* What a schema cannot say. Each refusal is a sentence that says what to do. */}}
{{- define "wicketgate.validate" -}}
{{- if not .Values.config.url }}{{ fail "config.url is needed: the public origin, such as https://mcp.example.com." }}{{ end -}}
{{- if not .Values.config.servers }}{{ fail "config.servers is empty: name at least one MCP server." }}{{ end -}}
{{- if .Values.authorizationServer.enabled -}}
{{- if not .Values.keyEncryption.existingSecret }}{{ fail "keyEncryption.existingSecret is needed: a Secret with the key that seals the signing keys (kubectl create secret generic NAME --from-file=data.key, made by `wicketgate-auth generate-key`). No template makes one, because the next upgrade would make another." }}{{ end -}}
{{- if and (include "wicketgate.embedded" .) (include "wicketgate.several" .) }}{{ fail "more than one replica needs redis.existingSecret: the store in a file admits one process." }}{{ end -}}
{{- else if not .Values.config.issuers }}{{ fail "authorizationServer.enabled is false: config.issuers must then say whose tokens count." }}{{ end -}}
{{- $names := list -}}{{- $urls := list -}}
{{- range .Values.config.servers -}}
{{- if has .name $names }}{{ fail (printf "config.servers: there are two with the name %s." .name) }}{{ end -}}
{{- $names = append $names .name -}}
{{- $url := include "wicketgate.serverUrl" (dict "root" $ "server" .) -}}
{{- if has $url $urls }}{{ fail (printf "config.servers: %s is at %s, where another one is." .name $url) }}{{ end -}}
{{- $urls = append $urls $url -}}
{{- $oauth := include "wicketgate.oauthPaths" $ | fromYaml -}}
{{- $path := .path -}}
{{- $host := .host -}}
{{- /* In mode standalone these paths are the authorization server's at every host. */ -}}
{{- if or (eq $.Values.mode "standalone") (not $host) (eq $host (urlParse $.Values.config.url).host) -}}
{{- range concat $oauth.exact $oauth.prefix (list "/.well-known" "/wicketgate") -}}
{{- if or (eq $path .) (hasPrefix (printf "%s/" .) $path) }}{{ fail (printf "config.servers: the path %s is the authorization server's or the filter's: choose another path%s." $path (ternary "" ", or another host" (eq $.Values.mode "standalone"))) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- include "wicketgate.validateServer" (dict "root" $ "server" .) -}}
{{- if and .upstream.host .upstream.service }}{{ fail (printf "config.servers: the upstream of %s is either a service or a host." .name) }}{{ end -}}
{{- if not (or .upstream.host .upstream.service) }}{{ fail (printf "config.servers: the upstream of %s needs a service or a host." .name) }}{{ end -}}
{{- if and .upstream.host (ne $.Values.mode "standalone") }}{{ fail (printf "config.servers: the upstream of %s must be a service in mode %s: make a Service, a ServiceEntry or a Backend for what is elsewhere." .name $.Values.mode) }}{{ end -}}
{{- if and (default dict .upstream.tls).enabled (ne $.Values.mode "standalone") }}{{ fail (printf "config.servers: TLS to the upstream of %s is the mesh's in mode %s (DestinationRule, BackendTLSPolicy)." .name $.Values.mode) }}{{ end -}}
{{- end -}}
{{- $fixed := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart" -}}
{{- range $key, $_ := mergeOverwrite (dict) .Values.commonLabels .Values.podLabels .Values.monitoring.labels -}}
{{- if has $key $fixed }}{{ fail (printf "the label %s is the chart's own, by which objects are found: choose another one." $key) }}{{ end -}}
{{- end -}}
{{- $leads_outside := or (has .Values.service.type (list "LoadBalancer" "NodePort")) .Values.route.create -}}
{{- if and (eq .Values.mode "standalone") $leads_outside (not .Values.envoy.tls.existingSecret) (not .Values.envoy.tls.terminatedInFront) }}{{ fail "tokens would travel in the clear: give envoy.tls.existingSecret, or say envoy.tls.terminatedInFront: true where something in front ends TLS." }}{{ end -}}
{{- if and .Values.route.create (ne .Values.mode "standalone") }}{{ fail "route.create is for mode standalone: the other modes make routes of their own." }}{{ end -}}
{{- if and .Values.route.create (not .Values.route.parentRefs) }}{{ fail "route.create needs route.parentRefs: the Gateway that the route belongs to." }}{{ end -}}
{{- with .Values.envoyGateway.authorizationServer.tls -}}
{{- if or .existingSecret .caConfigMap .hostname .client.existingSecret .client.names .client.caConfigMap -}}
{{- if ne $.Values.mode "envoyGateway" }}{{ fail (printf "envoyGateway.authorizationServer.tls is for mode envoyGateway: in mode %s gateway and authorization server meet %s." $.Values.mode (ternary "on loopback" "by the mesh's mTLS" (eq $.Values.mode "standalone"))) }}{{ end -}}
{{- if not $.Values.authorizationServer.enabled }}{{ fail "envoyGateway.authorizationServer.tls needs the authorization server, and authorizationServer.enabled is false." }}{{ end -}}
{{- if not .existingSecret }}{{ fail "envoyGateway.authorizationServer.tls.existingSecret is needed: the Secret with the certificate that the authorization server shows the gateway." }}{{ end -}}
{{- if not .caConfigMap }}{{ fail "envoyGateway.authorizationServer.tls.caConfigMap is needed: the ConfigMap with the authority (ca.crt) by which the gateway believes the authorization server." }}{{ end -}}
{{- end -}}
{{- with .client -}}
{{- if and .existingSecret (not .names) }}{{ fail "envoyGateway.authorizationServer.tls.client.names is needed: what the gateway's certificate is called. An authority alone vouches for others, too." }}{{ end -}}
{{- if and (or .names .caConfigMap) (not .existingSecret) }}{{ fail "envoyGateway.authorizationServer.tls.client.existingSecret is needed: the Secret with the certificate that the gateway shows the authorization server." }}{{ end -}}
{{- end -}}
{{- end -}}
{{- include "wicketgate.validateService" . -}}
{{- include "wicketgate.validateMesh" . -}}
{{- $taken := list "auth" "internal" "metrics" -}}
{{- $running := list -}}
{{- range .Values.mcpServers -}}
{{- if has .name $taken }}{{ fail (printf "mcpServers: %s is what a Service of the chart is called: choose another name." .name) }}{{ end -}}
{{- if has .name $running }}{{ fail (printf "mcpServers: there are two with the name %s." .name) }}{{ end -}}
{{- $running = append $running .name -}}
{{- end -}}
{{- if and .Values.monitoring.enabled .Values.networkPolicy.enabled (include "wicketgate.pods" .) (not .Values.networkPolicy.metricsFrom) }}{{ fail "monitoring.enabled needs networkPolicy.metricsFrom: where Prometheus is, such as [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]. Without it no scrape gets through." }}{{ end -}}
{{- if eq .Values.mode "istio" -}}
{{- if and .Values.istio.gateway.create (not .Values.istio.gateway.credentialName) }}{{ fail "istio.gateway.credentialName is needed: the Secret with the certificate, in the gateway's namespace." }}{{ end -}}
{{- if and (not .Values.istio.gateway.create) (not .Values.istio.gateway.name) }}{{ fail "istio.gateway.create is false: istio.gateway.name must then say which Gateway, as namespace/name." }}{{ end -}}
{{- else if eq .Values.mode "envoyGateway" -}}
{{- if and .Values.envoyGateway.gateway.create (not .Values.envoyGateway.gateway.certificateSecret) }}{{ fail "envoyGateway.gateway.certificateSecret is needed: the Secret with the certificate." }}{{ end -}}
{{- if and (not .Values.envoyGateway.gateway.create) (not .Values.envoyGateway.gateway.name) }}{{ fail "envoyGateway.gateway.create is false: envoyGateway.gateway.name must then say which Gateway." }}{{ end -}}
{{- end -}}
{{- end }}
