{{/* What is said of the same gateway again and again. */}}
{{- define "wicketgate.istio.gatewayName" -}}
{{- if .Values.istio.gateway.create }}{{ .Values.istio.gateway.namespace }}/{{ include "wicketgate.istio.name" . }}{{ else }}{{ .Values.istio.gateway.name }}{{ end -}}
{{- end }}

{{/* Objects in the gateway's namespace meet those of other releases there. */}}
{{- define "wicketgate.istio.name" -}}
{{- $full := printf "%s-%s" .Release.Namespace (include "wicketgate.fullname" .) -}}
{{- if gt (len $full) 50 }}{{ printf "%s-%s" (trunc 43 $full | trimSuffix "-") (sha256sum $full | trunc 6) }}{{ else }}{{ $full }}{{ end -}}
{{- end }}

{{/* Names of Envoy's filter: routes of the authorization server switch it off by them. */}}
{{- define "wicketgate.istio.filterName" -}}
{{- if .Values.istio.holdHeaders -}}
wicketgate
{{- else if eq .Values.istio.kind "WasmPlugin" -}}
extensions.istio.io/wasmplugin/{{ .Values.istio.gateway.namespace }}.{{ include "wicketgate.istio.name" . }}
{{- else -}}
extensions.istio.io/trafficextension/{{ .Values.istio.gateway.namespace }}.{{ include "wicketgate.istio.name" . }}
{{- end -}}
{{- end }}
