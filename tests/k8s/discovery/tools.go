//go:build tools

package main

import _ "istio.io/istio/istioctl/cmd/istioctl"
