"""Addresses of the shop."""

from django.urls import path

from shop.views import page, place

urlpatterns = [path("", page), path("orders/<order>/<dish>", place)]
