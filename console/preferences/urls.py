from django.urls import path

from console.preferences import views

app_name = "preferences"
urlpatterns = [
    path("p/<str:token>", views.enter, name="enter"),
    path("p/<str:token>/opt-out", views.opt_out_in_one_click, name="opt_out"),
    path("preferences", views.preferences, name="page"),
]
