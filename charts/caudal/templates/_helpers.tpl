{{/* The longest name made from it is a StatefulSet's: its pods carry an 11-character hash more in a label of at most 63. */}}
{{- define "caudal.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- $full = default $full .Values.fullnameOverride -}}
{{- if gt (len $full) 40 -}}
{{- $full = printf "%s-%s" ($full | trunc 33 | trimSuffix "-") ($full | sha256sum | trunc 6) -}}
{{- end -}}
{{- $full -}}
{{- end }}

{{- define "caudal.selectorLabels" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "caudal.labels" -}}
{{ include "caudal.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "caudal.image" -}}
{{- $tag := .image.tag | default .root.Chart.AppVersion -}}
{{ .image.registry }}/{{ .image.repository }}{{ if .image.digest }}@{{ .image.digest }}{{ else }}:{{ $tag }}{{ end }}
{{- end }}

{{- define "caudal.serviceAccountName" -}}
{{- if not (or .Values.controller.serviceAccount.create .Values.controller.serviceAccount.name) -}}
{{- fail "controller.serviceAccount.name is needed where controller.serviceAccount.create is false" -}}
{{- end -}}
{{- .Values.controller.serviceAccount.name | default (printf "%s-controller" (include "caudal.fullname" .)) -}}
{{- end }}

{{- define "caudal.authSecret" -}}
{{- .Values.auth.existingSecret | default (printf "%s-auth" (include "caudal.fullname" .)) -}}
{{- end }}

{{/* The Secrets the controller may read, as a JSON list. */}}
{{- define "caudal.controllerSecrets" -}}
{{- $names := .Values.controller.secretNames -}}
{{- if .Values.redis.bundled -}}
{{- $names = append $names (include "caudal.authSecret" .) -}}
{{- else if .Values.redis.external.passwordKey -}}
{{- $names = append $names .Values.redis.external.existingSecret -}}
{{- end -}}
{{- $names | uniq | toJson -}}
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

{{- define "caudal.redisEnv" -}}
- name: CAUDAL_QUEUE
  value: {{ .Values.queue | quote }}
{{- if .Values.redis.bundled }}
- name: REDIS_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "caudal.authSecret" . }}
      key: redis-password
- name: REDIS_URL
  value: redis://:$(REDIS_PASSWORD)@{{ include "caudal.fullname" . }}-redis:6379/0
{{- else }}
- name: REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ required "redis.external.existingSecret is needed where redis.bundled is false" .Values.redis.external.existingSecret }}
      key: {{ .Values.redis.external.urlKey }}
{{- end }}
{{- end }}

{{- define "caudal.databaseEnv" -}}
{{- if .Values.postgresql.bundled -}}
- name: POSTGRES_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "caudal.authSecret" . }}
      key: postgres-password
- name: DATABASE_URL
  value: postgres://caudal:$(POSTGRES_PASSWORD)@{{ include "caudal.fullname" . }}-postgresql:5432/caudal
{{- else -}}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ required "postgresql.external.existingSecret is needed where postgresql.bundled is false" .Values.postgresql.external.existingSecret }}
      key: {{ .Values.postgresql.external.urlKey }}
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

{{/* Where the pods of a part may run: the part's own values. */}}
{{- define "caudal.placement" -}}
{{- pick . "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" | include "caudal.filled" -}}
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
