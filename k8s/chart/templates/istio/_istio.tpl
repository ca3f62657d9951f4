{{/* Which pods the gateway is, and where: the plug-in, the EnvoyFilter and the Gateway must mean the same ones, or a route is there where no
filter is. Of a Gateway that is not ours both must be said. */}}
{{- define "wicketgate.istio.selector" -}}
{{- default (dict "istio" "ingress") .Values.istio.gateway.selector | toYaml -}}
{{- end }}
{{- define "wicketgate.istio.namespace" -}}
{{- default "istio-ingress" .Values.istio.gateway.namespace -}}
{{- end }}

{{/* What is said of the same gateway again and again. */}}
{{- define "wicketgate.istio.gatewayName" -}}
{{- if .Values.istio.gateway.create }}{{ include "wicketgate.istio.namespace" . }}/{{ include "wicketgate.istio.name" . }}{{ else }}{{ .Values.istio.gateway.name }}{{ end -}}
{{- end }}

{{/* Objects in the gateway's namespace meet those of other releases there. */}}
{{- define "wicketgate.istio.name" -}}
{{- $full := printf "%s-%s" .Release.Namespace (include "wicketgate.fullname" .) -}}
{{- if gt (len $full) 50 }}{{ printf "%s-%s" (trunc 43 $full | trimSuffix "-") (sha256sum $full | trunc 6) }}{{ else }}{{ $full }}{{ end -}}
{{- end }}

{{/* Names of Envoy's filter, as a JSON list: routes of the authorization server switch it off by them. Istio names what a WasmPlugin becomes in
one way until it translates WasmPlugins to TrafficExtensions, and in another since. */}}
{{- define "wicketgate.istio.filterNames" -}}
{{- $own := printf "%s.%s" (include "wicketgate.istio.namespace" .) (include "wicketgate.istio.name" .) -}}
{{- if .Values.istio.filterNames -}}
{{- .Values.istio.filterNames | toJson -}}
{{- else if .Values.istio.holdHeaders -}}
["wicketgate"]
{{- else if eq .Values.istio.kind "WasmPlugin" -}}
{{- list (printf "extensions.istio.io/wasmplugin/%s" $own) (printf "extensions.istio.io/trafficextension/%s~istio-translated-wasmplugin" $own) | toJson -}}
{{- else -}}
{{- list (printf "extensions.istio.io/trafficextension/%s" $own) | toJson -}}
{{- end -}}
{{- end }}
