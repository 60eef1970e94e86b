from django.urls import path

from console.reports import views

urlpatterns = [
    path("reports/", views.index, name="reports"),
    path("reports/campaigns/<int:pk>/", views.campaign, name="campaign_report"),
    path("reports/campaigns/<int:pk>/summary.csv", views.summary_csv, name="campaign_report_summary"),
    path("reports/campaigns/<int:pk>/profiles.csv", views.profiles_csv, name="campaign_report_profiles"),
]
