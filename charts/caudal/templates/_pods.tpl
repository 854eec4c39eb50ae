{{- define "caudal.podMetadata" -}}
labels:
  {{- include "caudal.labels" . | nindent 2 }}
  caudal.dev/metrics: "true"
  {{- with .values.podLabels }}{{ toYaml . | nindent 2 }}{{ end }}
{{- with .values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "caudal.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "caudal.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: {{ .Values.readOnlyRootFilesystem }}
capabilities:
  drop: [ALL]
{{- end }}

{{/* What every role is told. */}}
{{- define "caudal.env" -}}
- name: CAUDAL_LOG_FORMAT
  value: {{ .Values.log.format }}
{{- with .Values.log.level }}
- name: CAUDAL_LOG
  value: {{ . | quote }}
{{- end }}
{{- with .Values.telemetry.otlp.endpoint }}
- name: POD_NAME
  valueFrom:
    fieldRef: {fieldPath: metadata.name}
- name: POD_NAMESPACE
  valueFrom:
    fieldRef: {fieldPath: metadata.namespace}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: k8s.namespace.name=$(POD_NAMESPACE),k8s.pod.name=$(POD_NAME)
{{- end }}
{{- end }}

{{/* The probes of every role, on its ops port. */}}
{{- define "caudal.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: ops}
  periodSeconds: 1
  failureThreshold: 60
readinessProbe:
  httpGet: {path: /readyz, port: ops}
  periodSeconds: 2
  timeoutSeconds: 2
livenessProbe:
  httpGet: {path: /healthz, port: ops}
  periodSeconds: 10
  timeoutSeconds: 5
{{- end }}

{{/* Where the pods of a part may run: the part's own values, as YAML. */}}
{{- define "caudal.placement" -}}
{{- $placement := pick .values "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "priorityClassName" -}}
{{- if and (hasKey .values "topologySpreadConstraints") (not .values.topologySpreadConstraints) -}}
{{- $_ := set $placement "topologySpreadConstraints" (include "caudal.spread" . | fromYamlArray) -}}
{{- end -}}
{{- include "caudal.filled" $placement -}}
{{- end }}

{{/* Over zones and nodes, as far as that goes; each revision by itself, so that an update ends as even as it began. */}}
{{- define "caudal.spread" -}}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  matchLabelKeys: [pod-template-hash]
  labelSelector:
    matchLabels:
      {{- include "caudal.selectorLabels" $ | nindent 6 }}
{{- end }}
{{- end }}

{{/* The keys that have a value, as YAML. */}}
{{- define "caudal.filled" -}}
{{- $filled := dict -}}
{{- range $key, $value := . -}}
{{- if $value -}}{{- $_ := set $filled $key $value -}}{{- end -}}
{{- end -}}
{{- with $filled -}}{{- toYaml . -}}{{- end -}}
{{- end }}

{{- define "caudal.pullSecrets" -}}
{{- pick .Values "imagePullSecrets" | include "caudal.filled" -}}
{{- end }}
