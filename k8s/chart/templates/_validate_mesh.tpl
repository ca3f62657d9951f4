{{/* What would have no effect, or another than is said. */}}
{{- define "wicketgate.validateService" -}}
{{- with .Values.service -}}
{{- if and .externalTrafficPolicy (eq .type "ClusterIP") }}{{ fail "service.externalTrafficPolicy is for type LoadBalancer or NodePort: Kubernetes refuses it for a ClusterIP." }}{{ end -}}
{{- if and .loadBalancerSourceRanges (ne .type "LoadBalancer") }}{{ fail (printf "service.loadBalancerSourceRanges is for type LoadBalancer: of type %s nobody would be kept out." .type) }}{{ end -}}
{{- end -}}
{{- if ge (int .Values.preStopSeconds) (int .Values.terminationGracePeriodSeconds) }}{{ fail (printf "preStopSeconds is %d and terminationGracePeriodSeconds %d: pods would be killed while they wait. Make the second longer." (int .Values.preStopSeconds) (int .Values.terminationGracePeriodSeconds)) }}{{ end -}}
{{- end }}
{{/* What must be said of a gateway that runs already, because nothing tells when it is wrong: the routes would be there, and no filter. */}}
{{- define "wicketgate.validateMesh" -}}
{{- if and (eq .Values.mode "standalone") (kindIs "bool" .Values.routes.enabled) }}{{ fail "routes.enabled is for modes istio and envoyGateway: in mode standalone Envoy takes requests when it has the filter, not before." }}{{ end -}}
{{- if eq .Values.mode "istio" -}}
{{- with .Values.istio -}}
{{- if not .gateway.create -}}
{{- if not .gateway.selector }}{{ fail "istio.gateway.create is false: istio.gateway.selector must then say the labels of that gateway's pods. Where it means none, nothing stands before the servers." }}{{ end -}}
{{- if not .gateway.namespace }}{{ fail "istio.gateway.create is false: istio.gateway.namespace must then say where that gateway's pods run. Where there are none, nothing stands before the servers." }}{{ end -}}
{{- end -}}
{{- if .holdHeaders -}}
{{- if ne .failStrategy "FAIL_RELOAD" }}{{ fail "istio.failStrategy is of the plug-in: with istio.holdHeaders a VM that dies is made anew (FAIL_RELOAD). Leave it out." }}{{ end -}}
{{- if or (ne .phase "AUTHN") (ne (int .priority) 100) }}{{ fail "istio.phase and istio.priority are of the plug-in: with istio.holdHeaders the filter comes first. Leave them out." }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
