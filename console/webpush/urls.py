from django.urls import path

from console.webpush import views

app_name = "webpush"
urlpatterns = [
    path("heed.js", views.widget, name="widget"),
    path("heed-sw.js", views.worker, name="worker"),
    path("v1/webpush/config", views.config, name="config"),
]
